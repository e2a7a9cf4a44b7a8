using System.Text.RegularExpressions;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Images.Storage;

namespace PSCrac.Jvm;

/// <summary>
/// Why a JVM's checkpoint failed: what the JVM refuses, what its criu logs, or that neither says anything. criu's log is in a
/// directory that goes, so a copy is kept where criu's logs are.
/// </summary>
internal sealed partial class JvmDumpFailure
{
    // The JVM writes a trace line by line.
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan MaximumSettling = TimeSpan.FromSeconds(2);

    private const uint PrivateFile = 0x180; // 0600

    private readonly JvmProcess _jvm;
    private readonly JvmImageDirectory _directory;
    private readonly JvmConsole _console;

    internal JvmDumpFailure(JvmProcess jvm, JvmImageDirectory directory, JvmConsole console)
    {
        _jvm = jvm;
        _directory = directory;
        _console = console;
    }

    /// <summary>The failure that a text of the JVM tells: causes that it names, else what criu logged, else the engine's own words.</summary>
    /// <param name="answer">The JVM's answer; null for what is on its console, which is read until nothing more comes.</param>
    internal CracException FromText(string? answer)
    {
        string text = answer ?? ReadConsole();
        IReadOnlyList<CracFinding> findings = JvmRefusal.Parse(text, _jvm);
        if (findings.Count > 0)
        {
            string more = findings.Count > 1 ? $", and {findings.Count - 1} more" : string.Empty;
            return new CracException(
                CracReason.JvmRefused, $"The JVM {_jvm.ProcessId} refused the checkpoint: {findings[0].What}{more}. {findings[0].Why}", findings[0].RecommendedAction)
            {
                Findings = findings,
                CriuLines = [.. findings.Select(static finding => finding.What)],
            };
        }

        return FromLog() ?? FromEngine(text);
    }

    /// <summary>What criu's log tells; null without a log that has error lines.</summary>
    internal CracException? FromLog()
    {
        using FolderHandle? image = _directory.TryOpen();
        if (image is null || FindLog(image) is not { } log)
        {
            return null;
        }

        using CriuWorkDirectory work = CriuWorkDirectory.Create($"{CracOperation.Checkpoint.Name}-{_jvm.ProcessId}", null);
        IReadOnlyList<string> lines = image.Copy(log, work.Folder, CriuWorkDirectory.LogName, PrivateFile) == 0 ? work.ReadErrors() : [];

        // A criu that fails before it stops the JVM cannot detach from it, which reads as if the JVM had ended.
        if (_jvm.Identity.IsRunning() && lines.Any(static line => !IsDetach(line)))
        {
            lines = [.. lines.Where(static line => !IsDetach(line))];
        }

        if (lines.Count == 0)
        {
            return null;
        }

        return WithJvmAction(KnownFailures.Explain(CracOperation.Checkpoint, work.Keep(), lines));
    }

    private static bool IsDetach(string line) => line.Contains("Unable to detach from", StringComparison.Ordinal);

    /// <summary>criu has ended, the JVM runs, and there is no image.</summary>
    internal CracException CriuEnded() => FromLog() ?? FromEngine(ReadConsole());

    /// <summary>The JVM has ended, or has been left running, without a complete image.</summary>
    /// <param name="hasDirectory">Whether it wrote anything.</param>
    internal CracException WithoutImage(bool hasDirectory)
    {
        bool isRunning = _jvm.Identity.IsRunning();
        string who = $"The JVM {_jvm.ProcessId} {(isRunning ? "wrote no image" : "has ended without an image")}";
        string where = !hasDirectory ? $"there is nothing in {_directory.OriginalPath}"
            : isRunning ? "what it wrote is not complete"
            : $"what is in {_directory.Describe()} is not complete; it is left as it is";
        string console = ReadConsole();
        if (FromLog() is { } known)
        {
            return new CracException(known.Reason == CracReason.Unknown ? CracReason.ImageIncomplete : known.Reason, $"{who}: {known.Message} {char.ToUpperInvariant(where[0])}{where[1..]}.", known.RecommendedAction)
            {
                LogPath = known.LogPath,
                CriuLines = known.CriuLines,
            };
        }

        using FolderHandle? image = _directory.TryOpen();
        string? log = image is null ? null : FindLog(image);
        return new CracException(
            CracReason.ImageIncomplete, $"{who}: {where}.",
            log is null || isRunning ? "Read the JVM's console, and start the JVM again." : $"Read the JVM's console, and criu's log {Path.Combine(_directory.Describe(), log)}; then start the JVM again.")
        {
            CriuLines = Lines(console),
        };
    }

    /// <summary>Nothing tells that the JVM does anything.</summary>
    /// <param name="limit">How long there was no sign.</param>
    /// <param name="isCriuRunning">Whether the JVM's criu still runs.</param>
    internal CracException NoSign(TimeSpan limit, bool isCriuRunning) => new(
        CracReason.TimedOut,
        isCriuRunning
            ? $"The JVM {_jvm.ProcessId}'s criu has written nothing for {limit.TotalSeconds:0.#} s, and still runs."
            : $"The JVM {_jvm.ProcessId} accepted the command, but within {limit.TotalSeconds:0.#} s its criu did not start.",
        isCriuRunning ? $"It may complete the image in {_directory.Describe()} yet; what is there is left as it is."
            : _console.IsVisible
                ? "Its console shows nothing either: its application may still prepare itself. Get-CracImage shows whether an image has come."
                : "Read the JVM's console: older builds write there, and only there, what they refuse.");

    /// <summary>The lines of a text, the first few.</summary>
    internal static List<string> Lines(string text)
    {
        const int Maximum = 12;
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Take(Maximum)];
    }

    /// <summary>
    /// The same failure with an action that holds for a JVM: the parameters that the action of criu's failure names are for
    /// criu, and a JVM's own checkpoint or restore takes none of them.
    /// </summary>
    internal static CracException WithJvmAction(CracException failure) =>
        failure.RecommendedAction is { } action && Parameter().IsMatch(action)
            ? new CracException(failure.Reason, failure.Message, $"Use -Engine Criu, and then: {action}")
            {
                LogPath = failure.LogPath,
                CriuLines = failure.CriuLines,
            }
            : failure;

    private CracException FromEngine(string text)
    {
        List<string> lines = Lines(string.Join('\n', text.Split('\n').Where(JvmRefusal.IsEngineFailure)));
        CracFinding finding = JvmRefusal.EngineFailed(_jvm, lines.Count > 0 ? lines[0] : null);
        return new CracException(
            CracReason.JvmRefused, $"The JVM {_jvm.ProcessId} could not take the checkpoint: {finding.What}. {finding.Why}", finding.RecommendedAction)
        {
            Findings = [finding],
            CriuLines = lines.Count > 0 ? lines : Lines(text),
        };
    }

    private string ReadConsole()
    {
        string text = _console.ReadNew();
        for (TimeSpan waited = TimeSpan.Zero; waited < MaximumSettling; waited += Settling)
        {
            int lines = JvmRefusal.CountTraceLines(text);
            Thread.Sleep(Settling);
            text = _console.ReadNew();
            if (JvmRefusal.CountTraceLines(text) == lines)
            {
                break;
            }
        }

        return text;
    }

    // Under the engine's own name, or whatever CRAC_CRIU_OPTS named.
    private static string? FindLog(FolderHandle image) =>
        image.ContainsFile(JvmImageDirectory.LogName)
            ? JvmImageDirectory.LogName
            : image.ReadNames()?.Find(name => name.EndsWith(".log", StringComparison.Ordinal) && image.ContainsFile(name));

    [GeneratedRegex(@"(?:^|\s)-[A-Z][A-Za-z]+")]
    private static partial Regex Parameter();
}
