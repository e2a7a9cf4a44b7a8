using System.Globalization;
using PSCrac.Images.Format;
using PSCrac.Images.Model;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Open files in /proc of one process: they are reopened by its pid, which must be that of a process again.</summary>
internal sealed class RestoreProcFileRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        if (subject.HoldsNamespace("mnt"))
        {
            return;
        }

        // For a process that had ended at the checkpoint, the restore starts a helper with its pid.
        HashSet<int> ids = [.. subject.Image.ThreadIds, .. subject.Remaps.Values.Where(static remap => remap.Type == "PROCFS").Select(static remap => (int)remap.Id)];
        foreach (CracImageRecord file in subject.Image.OpenFiles.All)
        {
            if (OpenFileTable.KindOf(file) != CracFileKind.Regular || OpenFileTable.GetKindEntry(file) is not { } own
                || subject.Options.UnopenedFiles.Contains((uint)own.GetNumber("id")))
            {
                continue;
            }

            string path = FilePresenceRule.ToAbsolutePath(own.GetText("name") ?? "");
            if (OwnerOf(path) is not { } owner || ids.Contains(owner) || subject.Options.ReplacedFiles.Contains(path))
            {
                continue;
            }

            if (subject.Options.IsNewPidNamespaceCertain)
            {
                Block(subject, path, CracReason.NamespaceUnsupported, $"It belongs to process {owner} outside the tree, which is not in the new pid namespace.", "Give -PidNamespace Host, or use another file");
            }
            else if (!Path.Exists(path))
            {
                Block(subject, path, CracReason.ProcessGone, $"It belongs to process {owner} outside the tree, which has ended.", "Use another file");
            }
        }
    }

    private static void Block(ImageSubject subject, string path, CracReason reason, string why, string recommendedAction) => subject.Block(
        null,
        path,
        reason,
        why,
        $"{recommendedAction}: -ReplaceFile @{{ '{path}' = '/dev/null' }}",
        new("files of processes outside the tree", path)
        {
            Why = reason == CracReason.ProcessGone ? "The processes have ended." : "The processes are not in the new pid namespace.",
            Action = paths => $"{recommendedAction}, with an entry for each: -ReplaceFile @{{ '{paths[0]}' = '/dev/null' }}",
        });

    private static int? OwnerOf(string path)
    {
        const string Proc = "/proc/";
        if (!path.StartsWith(Proc, StringComparison.Ordinal))
        {
            return null;
        }

        ReadOnlySpan<char> rest = path.AsSpan(Proc.Length);
        int slash = rest.IndexOf('/');
        return int.TryParse(slash < 0 ? rest : rest[..slash], NumberStyles.None, CultureInfo.InvariantCulture, out int owner) ? owner : null;
    }
}
