using PSCrac.Images;

namespace PSCrac.Preflight.ImageRules;

/// <summary>A terminal whose other end was outside the tree is replaced by that of the restore, if it has one (criu's tty.c).</summary>
internal sealed class RestoreTerminalRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        if (subject.Options.HasTerminal)
        {
            return;
        }

        var masters = new HashSet<string>(StringComparer.Ordinal);
        CracImageFile? slave = null;
        foreach (CracImageFile file in subject.Image.Files)
        {
            if (file.Kind != CracFileKind.Terminal)
            {
                continue;
            }

            if (file.Path.EndsWith("ptmx", StringComparison.Ordinal))
            {
                masters.Add(IndexOf(file));
            }
            else if (file.Path.Contains("/pts/", StringComparison.Ordinal))
            {
                slave ??= file;
            }
        }

        // The pairs have one number, of which the master's is odd (tty_gen_id() in criu's tty.c).
        if (slave is not null && !masters.Contains(IndexOf(slave)))
        {
            subject.Block(
                slave.ProcessId,
                $"descriptor {slave.Descriptor}: terminal {slave.Path}",
                CracReason.TerminalAttached,
                "The process had a terminal from outside, and here is none to give it instead.",
                "Restore from a terminal, or give files instead: -StandardInputPath, -StandardOutputPath, -StandardErrorPath");
        }
    }

    private static string IndexOf(CracImageFile file) =>
        file.Details is { } details && OpenFileTable.Own(details) is { } own ? (own.Number("tty_info_id") >> 1).ToString() : "";
}
