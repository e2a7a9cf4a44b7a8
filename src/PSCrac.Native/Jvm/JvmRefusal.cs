using System.Text.RegularExpressions;

namespace PSCrac.Jvm;

/// <summary>
/// What a JVM writes when it does not checkpoint: a jdk.crac.CheckpointException whose suppressed exceptions name what
/// stands in the way, one by one. With stack traces being collected each has a cause that tells who opened it
/// (openjdk/crac: jdk/internal/crac/mirror/Core.java, JDKFdResource.java).
/// </summary>
internal static partial class JvmRefusal
{
    /// <summary>Whether a text has such an exception in it.</summary>
    internal static bool IsIn(string text) => CheckpointException().IsMatch(text);

    /// <summary>Reads what stands in the way; one finding of a general kind where the JVM names nothing.</summary>
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
            if (!type.EndsWith(".CheckpointException", StringComparison.Ordinal))
            {
                findings.Add(Describe(type, match.Groups["message"].Value.Trim(), FindOpener(lines.AsSpan((i + 1)..end)), jvm));
            }
        }

        return findings.Count > 0 ? findings : [NothingNamed(jvm)];
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

    private static CracFinding NothingNamed(JvmProcess jvm) => new()
    {
        Severity = CracFindingSeverity.Blocker,
        ProcessId = jvm.ProcessId,
        RootProcessId = jvm.ProcessId,
        Reason = CracReason.JvmRefused,
        What = "the JVM's engine failed",
        Why = "The application was ready, but the JVM's engine could not take the checkpoint.",
        RecommendedAction = "Read the JVM's console and dump4.log in its checkpoint directory. Its criu needs root, or its own set-user-id bit; CRAC_CRIU_PATH in the JVM's environment names another criu.",
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

    [GeneratedRegex(@"\bjdk\.[\w.]*CheckpointException\b|An exception during a checkpoint operation")]
    private static partial Regex CheckpointException();

    [GeneratedRegex(@"^\s*Suppressed: (?<type>[\w.$]+)(?:: (?<message>.*))?$")]
    private static partial Regex Suppressed();

    [GeneratedRegex(@"created by (?<thread>.+) at epoch:\d+ here\s*$")]
    private static partial Regex CreatedBy();

    [GeneratedRegex(@"^\s+at (?<place>\S+\(.*\))")]
    private static partial Regex Frame();

    [GeneratedRegex(@"FD fd=(?<fd>\d+) type=\S+ path=(?<path>.*)$")]
    private static partial Regex Descriptor();
}
