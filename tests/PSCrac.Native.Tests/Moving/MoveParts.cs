using PSCrac.Procfs;
using PSCrac.Tests.Support;

namespace PSCrac.Tests.Moving;

/// <summary>The parts of a move that this process has begun, to be killed by their names.</summary>
internal sealed class MoveParts(FarHost far)
{
    internal const string Link = "link";
    internal const string Ssh = "ssh";
    internal const string Sshd = "sshd";
    internal const string NearCriu = "near criu";
    internal const string NearSession = "near session";
    internal const string FarCriu = "far criu";
    internal const string FarSession = "far session";
    internal const string BothFar = "both far";
    internal const string PageDaemon = "page daemon";
    internal const string PageGuard = "page guard";
    internal const string SessionAndDaemon = "session+daemon";

    /// <summary>Kills a part.</summary>
    /// <returns>How many processes that were.</returns>
    internal int Kill(string part) => part switch
    {
        Link => KillNear("relay.py"),
        Ssh => KillNear("ssh_config"),
        NearCriu => KillNear("swrk"),
        Sshd => KillFar("sshd"),
        FarSession => KillFar("receive"),
        FarCriu => KillFar("swrk"),
        BothFar => KillFar("swrk") + KillFar("receive"),
        PageDaemon => KillPages("pscrac-pages"),
        PageGuard => KillPages("pscrac-guard"),
        SessionAndDaemon => KillFar("receive") + KillPages("pscrac-pages"),
        _ => throw new ArgumentOutOfRangeException(nameof(part), part, null),
    };

    private static int KillNear(string text) => Kill(
        [.. ProcessTree.Read(Environment.ProcessId).Members.Skip(1).Select(static member => member.Status)
            .Where(status => status.NamespaceProcessIds.Count == 1 && FarHost.CommandLineOf(status.ProcessId).Contains(text, StringComparison.Ordinal))]);

    private int KillFar(string text) => Kill(far.Find(text));

    private int KillPages(string name) => Kill(far.Processes().FindAll(status => status.CommandName == name));

    private static int Kill(List<ProcessStatus> processes)
    {
        processes.ForEach(static each => CriuProgram.Kill("-KILL", $"{each.ProcessId}"));
        return processes.Count;
    }
}
