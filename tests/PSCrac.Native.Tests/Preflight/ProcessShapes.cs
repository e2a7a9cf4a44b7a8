using System.Runtime.InteropServices;
using PSCrac.Preflight.Subjects;
using Xunit;

namespace PSCrac.Tests.Preflight;

/// <summary>All shapes, and why some of them cannot be created on a machine.</summary>
internal static partial class ProcessShapes
{
    /// <summary>All shapes by their names.</summary>
    internal static IReadOnlyDictionary<string, ProcessShape> All { get; } =
        Plain().Concat(Sockets()).Concat(WithOptions()).Concat(Namespaces()).Concat(Impossible()).ToDictionary(shape => shape.Name);

    private static string? OnlyOn64BitIntel => RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.X64 ? null : "its system calls are numbered for x86-64";

    private static string? WhyMayReadLimits =>
        PreflightEnvironment.Read().CanReadOthersLimits ? "CAP_SYS_RESOURCE is there, with which it works" : null;

    private static string? WhyNoFile(string path) => File.Exists(path) ? null : $"there is no {path}";

    private static string? WhyNoSecretMemory =>
        File.ReadAllText("/proc/kallsyms").Contains("secretmem", StringComparison.Ordinal) ? null : "the kernel has no secret memory";

    private static string? WhyNoSystemCall(string name, int number, string switchFile) =>
        File.Exists(switchFile) && File.ReadAllText(switchFile).Trim() == "2" ? $"{name} ({number}) is turned off" : null;

    private static string? WhyKernelOlderThan(int major, int minor) =>
        Environment.OSVersion.Version >= new Version(major, minor) ? null : $"the kernel is older than {major}.{minor}";

    private static string? WhyNoRealTime() => WhyNotScheduled("--rr", "1");

    private static string? WhyNoDeadline() =>
        WhyNotScheduled("--deadline", "--sched-runtime", "1000000", "--sched-deadline", "10000000", "--sched-period", "10000000", "0");

    private static string? WhyNotScheduled(params string[] policy)
    {
        using var chrt = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("chrt", [.. policy, "true"]) { RedirectStandardError = true })!;
        string error = chrt.StandardError.ReadToEnd().Trim();
        chrt.WaitForExit();
        return chrt.ExitCode == 0 ? null : $"this user may not have the policy {policy[0]}: {error}";
    }

    private static string? WhyNoSocket(int family, int type, int protocol)
    {
        int descriptor = SocketProbe.Open(family, type, protocol);
        if (descriptor < 0)
        {
            return $"the kernel makes no such socket ({family}, {type}, {protocol})";
        }

        Assert.Equal(0, SocketProbe.Close(descriptor));
        return null;
    }

    private static partial class SocketProbe
    {
        [LibraryImport("libc", EntryPoint = "socket")]
        internal static partial int Open(int family, int type, int protocol);

        [LibraryImport("libc", EntryPoint = "close")]
        internal static partial int Close(int descriptor);
    }
}
