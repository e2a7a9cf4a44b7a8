namespace PSCrac;

/// <summary>Further members of a match; extension members for the reason given at <see cref="CracImageContents"/>.</summary>
public static class CracMemoryMatchContents
{
    extension(CracMemoryMatch match)
    {
        /// <summary>
        /// The process whose memory it is or, for an unmapped part of a memfd, that had it open; null if no process
        /// had the memory mapped or open, such as a System V segment without attached processes.
        /// </summary>
        public CracImageProcess? Process => match.Process;

        /// <summary>The matching bytes.</summary>
        public byte[] Bytes => match.Bytes;

        /// <summary>The match with the surrounding bytes.</summary>
        public byte[] ContextBytes => match.ContextBytes;
    }
}
