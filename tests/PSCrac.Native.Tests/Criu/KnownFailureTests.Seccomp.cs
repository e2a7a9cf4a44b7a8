using PSCrac.Preflight;
using PSCrac.Preflight.Subjects;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

/// <summary>A criu with a seccomp filter of its own, as in a container with a profile: the kernel does not let it suspend those of others.</summary>
public partial class KnownFailureTests
{
    private const string WithFilter = """
        code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7fff0000))
        program = struct.pack("HxxxxxxP", 1, ctypes.addressof(code))
        libc.prctl(38, 1, 0, 0, 0)
        if libc.prctl(22, 2, program, 0, 0) != 0: sys.exit("no filter")
        """;

    [CriuFact("python3")]
    [Reaches("seccomp")]
    public void A_process_with_a_filter_where_criu_has_one()
    {
        using var run = new CriuRun(WithFilter);
        string command = string.Join(' ', SystemCallFilter.Command(SystemCallFilter.OpenAt2, 38, CriuProgram.Path!).Select(static word => $"'{word}'"));
        using var criu = new ChangedCriu($"*\" swrk \"*) exec {command} \"$@\" ;;");

        AssertReached("seccomp", run.Dump());
    }

    [CriuFact("python3")]
    public void The_preflight_of_a_session_with_a_filter_says_so_before()
    {
        using var run = new CriuRun(WithFilter);
        PreflightEnvironment here = PreflightEnvironment.Read();
        Assert.True(ProcessPreflight.Examine(run.ProcessId, new(), here with { HasSeccompFilter = false }).CanCheckpoint);
        ProcessPreflight preflight = ProcessPreflight.Examine(run.ProcessId, new(), here with { HasSeccompFilter = true });
        CracFinding found = Assert.Single(preflight.Findings, static finding => finding.Severity == CracFindingSeverity.Blocker);
        Assert.Contains("seccomp=unconfined", found.RecommendedAction, StringComparison.Ordinal);
    }
}
