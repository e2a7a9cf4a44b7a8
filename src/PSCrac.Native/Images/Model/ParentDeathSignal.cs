using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Model;

/// <summary>
/// The parent-death signal of threads (PR_SET_PDEATHSIG, prctl(2)) in criu's core files. No file of /proc shows it, so that it is known
/// only from an image.
/// </summary>
internal static class ParentDeathSignal
{
    /// <summary>Finds the threads that have one.</summary>
    /// <param name="source">The image.</param>
    /// <param name="threads">The threads, by their ids in the image; those without a core file are skipped.</param>
    /// <returns>The names of their core files, and the signals' numbers.</returns>
    internal static List<(string FileName, int Signal)> Find(ImageSource source, IEnumerable<int> threads)
    {
        var found = new List<(string, int)>();
        foreach (int thread in threads)
        {
            string name = $"core-{(uint)thread}.img";
            using ImageEntryReader? entries = source.TryOpenEntries(name, ImageType.Core);
            if (entries is not null && entries.MoveNext() && Read(entries.Reader) is > 0 and int signal)
            {
                found.Add((name, signal));
            }
        }

        return found;
    }

    private static int Read(ProtobufReader core)
    {
        if (!core.MoveTo(Wire.CoreEntry.ThreadCore))
        {
            return 0;
        }

        ProtobufReader thread = core.ReadMessage();
        return thread.MoveTo(Wire.ThreadCoreEntry.PdeathSig) ? (int)thread.ReadUInt32() : 0;
    }
}
