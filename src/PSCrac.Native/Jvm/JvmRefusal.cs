using System.Text.RegularExpressions;

namespace PSCrac.Jvm;

/// <summary>
/// What a JVM writes when it does not checkpoint: a jdk.crac.CheckpointException whose suppressed exceptions name what
/// blocks it, one by one; the first builds write these exceptions by themselves. With stack traces being collected each has a
/// cause that tells who opened it (openjdk/crac: jdk/internal/crac/mirror/Core.java, JDKFdResource.java).
/// </summary>
internal static partial class JvmRefusal
{
    /// <summary>Whether a text has such an exception in it.</summary>
    internal static bool IsIn(string text) => CheckpointException().IsMatch(text);

    /// <summary>Whether a text says that the engine failed: of the JVM (crac.cpp, linux_crac.cpp) or of the engine (criuengine.cpp).</summary>
    internal static bool IsEngineFailure(string text) => EngineFailure().IsMatch(text);

    /// <summary>The number of lines that may belong to a stack trace.</summary>
    internal static int CountTraceLines(string text) => TraceLine().Count(text);

    /// <summary>Reads what blocks the checkpoint; nothing where the JVM names nothing, or only that its engine failed.</summary>
    /// <param name="text">What the JVM answered, or wrote to its console.</param>
    /// <param name="jvm">The JVM.</param>
    internal static IReadOnlyList<CracFinding> Parse(string text, JvmProcess jvm)
    {
        var findings = new List<CracFinding>();
        string[] lines = text.ReplaceLineEndings("\n").Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            Match match = Suppressed().Match(lines[i]);
            if (!match.Success)
            {
                continue;
            }

            int end = i + 1;
            while (end < lines.Length && !Suppressed().IsMatch(lines[end]) && (lines[end].Length == 0 || char.IsWhiteSpace(lines[end][0])))
            {
                end++;
            }

            string type = match.Groups["type"].Value;
            string message = match.Groups["message"].Value.Trim();
            if (!type.EndsWith(".CheckpointException", StringComparison.Ordinal) && message != EngineFailedMessage)
            {
                findings.Add(Describe(type, message, FindOpener(lines.AsSpan((i + 1)..end)), jvm));
            }
        }

        return findings;
    }

    private static CracFinding Describe(string type, string message, string? opener, JvmProcess jvm)
    {
        string name = type[(type.LastIndexOfAny(['.', '$']) + 1)..];
        (string what, string why, string recommendedAction) = name switch
        {
            "CheckpointOpenFileException" => ($"open file: {Shorten(message)}", "The JVM does not checkpoint while its application has a file open.", Closing),
            "CheckpointOpenSocketException" => ($"open socket: {Shorten(message)}", "The JVM does not checkpoint while its application has a socket open.", Closing),
            "CheckpointOpenResourceException" => ($"open resource: {Shorten(message)}", "The JVM does not checkpoint while its application has this open.", Closing),
            "BusySelectorException" or "IllegalSelectorException" => (
                $"selector with channels: {Shorten(message)}", "A selector still has channels registered, so the sockets behind it are in use.", Closing),
            _ when DescribeCore(message) is { } known => known,
            _ => ($"{name}: {message}", "A part of the application failed while it prepared for the checkpoint.", "Look into its beforeCheckpoint method."),
        };
        if (opener is not null)
        {
            why += $" It was opened by {opener}.";
        }
        else if (!jvm.CollectsStackTraces && recommendedAction == Closing)
        {
            recommendedAction += " Start the JVM with -Djdk.crac.collect-fd-stacktraces=true to be told who opened it.";
        }

        return new CracFinding { Severity = CracFindingSeverity.Blocker, ProcessId = jvm.ProcessId, RootProcessId = jvm.ProcessId, Reason = CracReason.JvmRefused, What = what, Why = why, RecommendedAction = recommendedAction };
    }

    private const string Closing =
        "Close it in the beforeCheckpoint method of a jdk.crac.Resource and open it again in afterRestore, or tell the JVM what to do with it in a file named by -Djdk.crac.resource-policies.";

    // What the JVM itself says, rather than a class of the application.
    private static (string What, string Why, string RecommendedAction)? DescribeCore(string message) => message switch
    {
        "C/R is not configured" => (
            "the JVM has no checkpoint directory", "It was not started with -XX:CRaCCheckpointTo, or a restore has taken the option away.",
            "Start it with -XX:CRaCCheckpointTo=DIRECTORY, or use -Engine Criu."),
        "Current engine doesn't support second checkpoint" => (
            "the JVM's engine takes one checkpoint only", "The JVM was restored from an image, and its engine cannot checkpoint it again.",
            "Use -Engine Criu, or take the checkpoint of a JVM that was started anew."),
        "CRaC cannot commit checkpoint right now" => (
            "the JVM's engine is not ready", "It needs some time after the JVM's start or restore.", "Try again in a moment."),
        "Recursive checkpoint is not allowed" => (
            "the JVM checkpoints itself already", "Another checkpoint of it is under way.", "Wait until that has ended."),
        _ when message.StartsWith("Unknown C/R result", StringComparison.Ordinal) => (
            "the JVM and its class library do not fit", $"The JVM gave its class library an answer that it does not know ({message}).", "Use -Engine Criu."),
        _ => null,
    };

    /// <summary>The finding that the engine failed.</summary>
    /// <param name="jvm">The JVM.</param>
    /// <param name="words">A line of the JVM's or the engine's about it; null for none.</param>
    internal static CracFinding EngineFailed(JvmProcess jvm, string? words) => new()
    {
        Severity = CracFindingSeverity.Blocker,
        ProcessId = jvm.ProcessId,
        RootProcessId = jvm.ProcessId,
        Reason = CracReason.JvmRefused,
        What = $"the JVM's engine failed{(words is null ? string.Empty : $": {words.TrimEnd('.')}")}",
        Why = "The application was ready, but criu, which the engine starts, did not take the checkpoint, and left no log that says why.",
        RecommendedAction = $"Read the JVM's console. Its criu needs root, or its own set-user-id bit. {JvmEngine.OtherCriu} names another criu.",
    };

    // "main at com.example.Server.open(Server.java:12)": the first line of the trace that is not the JDK's own.
    private static string? FindOpener(ReadOnlySpan<string> block)
    {
        for (int i = 0; i < block.Length; i++)
        {
            Match created = CreatedBy().Match(block[i]);
            if (!created.Success)
            {
                continue;
            }

            string? first = null;
            for (int j = i + 1; j < block.Length; j++)
            {
                Match frame = Frame().Match(block[j]);
                if (!frame.Success)
                {
                    break;
                }

                string place = frame.Groups["place"].Value;
                first ??= place;
                if (!place.StartsWith("java.base/", StringComparison.Ordinal) && !place.StartsWith("jdk.", StringComparison.Ordinal))
                {
                    first = place;
                    break;
                }
            }

            string thread = created.Groups["thread"].Value;
            return first is null ? thread : $"{thread} at {first}";
        }

        return null;
    }

    // "FD fd=57 type=regular path=/x" is how the JVM itself, rather than its class library, names what it found.
    private static string Shorten(string message)
    {
        Match match = Descriptor().Match(message);
        return match.Success ? $"descriptor {match.Groups["fd"].Value}, {match.Groups["path"].Value}" : message;
    }

    private const string EngineFailedMessage = "Native checkpoint failed.";

    [GeneratedRegex(@"invalid info for restore provided|criu call failed|CRaC engine failed to checkpoint|CRIU failed with exit code|CRIU has not properly exited|Cannot execute CRIU|CRIU executable does not exist")]
    private static partial Regex EngineFailure();

    [GeneratedRegex(@"^(?:\s+at |\s*Caused by: |\s*Suppressed: |[\w.$]+Exception\b)", RegexOptions.Multiline)]
    private static partial Regex TraceLine();

    [GeneratedRegex(@"\bjdk\.[\w.$]*Checkpoint(?:Open\w+)?Exception\b|An exception during a checkpoint operation")]
    private static partial Regex CheckpointException();

    [GeneratedRegex(@"^(?:\s*Suppressed: (?<type>[\w.$]+)|(?<type>jdk\.[\w.$]*CheckpointOpen\w+Exception))(?:: (?<message>.*))?$")]
    private static partial Regex Suppressed();

    [GeneratedRegex(@"created by (?<thread>.+) at epoch:\d+ here\s*$")]
    private static partial Regex CreatedBy();

    [GeneratedRegex(@"^\s+at (?<place>\S+\(.*\))")]
    private static partial Regex Frame();

    [GeneratedRegex(@"FD fd=(?<fd>\d+) type=\S+ path=(?<path>.*)$")]
    private static partial Regex Descriptor();
}
