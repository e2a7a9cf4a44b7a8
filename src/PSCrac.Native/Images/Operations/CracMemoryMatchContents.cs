namespace PSCrac;

/// <summary>What a match of a search holds beside the few values that sum it up; see <see cref="CracImageContents"/>.</summary>
public static class CracMemoryMatchContents
{
    extension(CracMemoryMatch match)
    {
        /// <summary>
        /// The process whose memory it is, or, for a memfd that is not mapped there, that had it open; null where no process
        /// had the memory mapped or open, as a System V segment that nobody was attached to.
        /// </summary>
        public CracImageProcess? Process => match.Process;

        /// <summary>The bytes that match.</summary>
        public byte[] Bytes => match.Bytes;

        /// <summary>The match with what is around it.</summary>
        public byte[] ContextBytes => match.ContextBytes;
    }
}
