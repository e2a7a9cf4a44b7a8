using PSCrac.Images.Model;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>
/// A terminal whose master was outside the tree is replaced by the terminal of the restore, if there is one (criu's tty.c).
/// </summary>
internal sealed class RestoreTerminalRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        var outside = new HashSet<uint>(ExternalTerminals.Find(subject.Image));
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
                "The process had a terminal from outside its tree, and the image does not say to replace it.",
                "Give -ShellJob, which gives it this session's terminal, if there is one.");
        }
        else
        {
            subject.Warn(
                terminal?.ProcessId,
                what,
                CracReason.TerminalAttached,
                "The process had a terminal from outside its tree, and this session has none to replace it: it gets /dev/null.",
                "Restore from a terminal, or use files instead: -StandardInputPath, -StandardOutputPath, -StandardErrorPath");
        }
    }
}
