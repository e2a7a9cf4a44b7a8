using PSCrac.Images.Model;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>A terminal whose other end was outside the tree is replaced by that of the restore, if it has one (criu's tty.c).</summary>
internal sealed class RestoreTerminalRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        var outside = new HashSet<uint>(OutsideTerminals.Find(subject.Image));
        bool isJob = subject.HasOption("shell-job");
        if (outside.Count == 0 || (isJob && subject.Options.HasTerminal))
        {
            return;
        }

        CracImageFile? terminal = null;
        foreach (CracImageFile file in subject.Image.Files)
        {
            terminal ??= file.Descriptor is not null && outside.Contains((uint)file.Id) ? file : null;
        }

        string what = terminal is null ? "a terminal" : $"descriptor {terminal.Descriptor}: terminal {terminal.Path}";
        if (!isJob)
        {
            subject.Block(
                terminal?.ProcessId,
                what,
                CracReason.TerminalAttached,
                "The process had a terminal from outside, and the image does not say that it is to be given another.",
                "Give -ShellJob, which hands it the terminal of this session, or none where there is none.");
        }
        else
        {
            subject.Warn(
                terminal?.ProcessId,
                what,
                CracReason.TerminalAttached,
                "The process had a terminal from outside, and here is none to give it instead: it gets /dev/null.",
                "Restore from a terminal, or give files instead: -StandardInputPath, -StandardOutputPath, -StandardErrorPath");
        }
    }
}
