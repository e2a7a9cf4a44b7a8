using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using PSCrac.Common;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Processes;

namespace PSCrac.Criu;

/// <summary>
/// The criu program and the libcriu that this process uses, and where they were found. The search order: what the caller names,
/// CRAC_CRIU_PATH and CRAC_LIBCRIU_PATH, the private copy of a source checkout (.tools/criu), then PATH and the loader.
/// </summary>
internal sealed class CriuInstallation
{
    /// <summary>The environment variable that names the criu program. CRaC JDKs use the same.</summary>
    internal const string CriuPathVariable = "CRAC_CRIU_PATH";

    /// <summary>The environment variable that names libcriu.</summary>
    internal const string LibCriuPathVariable = "CRAC_LIBCRIU_PATH";

    private const string LibraryName = "libcriu.so.2";
    private static readonly Version MinimumSinceKernel613 = new(4, 2);
    private static readonly Version MinimumBefore = new(3, 17);
    private static readonly ConcurrentDictionary<(string Path, DateTime Written), Lazy<Version>> Versions = new();

    private CriuInstallation(string criuPath, string criuSource, string libCriuPath, string libCriuSource)
    {
        CriuPath = criuPath;
        CriuSource = criuSource;
        LibCriuPath = libCriuPath;
        LibCriuSource = libCriuSource;
    }

    /// <summary>The criu program.</summary>
    internal string CriuPath { get; }

    /// <summary>Where <see cref="CriuPath"/> comes from: a parameter, an environment variable, a checkout's .tools, or PATH.</summary>
    internal string CriuSource { get; }

    /// <summary>libcriu: a file, or the bare name that the loader resolves.</summary>
    internal string LibCriuPath { get; }

    /// <summary>Where <see cref="LibCriuPath"/> comes from.</summary>
    internal string LibCriuSource { get; }

    /// <summary>The oldest criu that works on a kernel: 4.2 from 6.13 on, whose vDSO older ones do not support, otherwise 3.17.</summary>
    /// <param name="kernel">The kernel's version.</param>
    internal static Version MinimumVersion(Version kernel) => kernel >= new Version(6, 13) ? MinimumSinceKernel613 : MinimumBefore;

    /// <summary>Finds criu and libcriu, loads libcriu, and checks that criu is new enough for this kernel.</summary>
    /// <param name="criuPath">The criu program to use; null to search for it.</param>
    /// <param name="libCriuPath">The libcriu to use; null to search for it.</param>
    /// <exception cref="CracException">
    /// <see cref="CracReason.CriuNotFound"/>, <see cref="CracReason.LibCriuNotFound"/>, <see cref="CracReason.CriuTooOld"/>;
    /// <see cref="CracReason.FileNotTrusted"/>: as root, someone else may change one of them, or what criu uses.
    /// </exception>
    internal static CriuInstallation Locate(string? criuPath = null, string? libCriuPath = null)
    {
        CriuInstallation found = LocateAnyVersion(criuPath, libCriuPath);
        found.RequireSuitableVersion();
        return found;
    }

    /// <summary>
    /// The same without the check of criu's version. criu is asked for it meanwhile, which takes a process that was just started about as
    /// long as a small restore: the caller has <see cref="RequireSuitableVersion"/> wait for it later.
    /// </summary>
    internal static CriuInstallation LocateAnyVersion(string? criuPath = null, string? libCriuPath = null)
    {
        CriuInstallation found = Find(criuPath, libCriuPath);
        found.RequireTrusted();
        if (!LibCriu.TryLoad(found.LibCriuPath, out string? error))
        {
            throw LibCriuNotFound(found, error);
        }

        Lazy<Version> version = found.FindVersion();
        if (!version.IsValueCreated)
        {
            // A failure is told by whoever asks for the version.
            Task.Run(() => version.Value).ContinueWith(static failed => _ = failed.Exception, TaskScheduler.Default);
        }

        return found;
    }

    /// <summary>Refuses a criu that is too old for this kernel.</summary>
    /// <exception cref="CracException"><see cref="CracReason.CriuNotFound"/>, <see cref="CracReason.CriuTooOld"/>.</exception>
    internal void RequireSuitableVersion()
    {
        Version version = GetVersion();
        Version kernel = ReadKernelVersion();
        if (version < MinimumVersion(kernel))
        {
            throw new CracException(
                CracReason.CriuTooOld,
                $"criu {version} at {CriuPath} does not work on Linux {kernel}: {MinimumVersion(kernel)} or later is needed.",
                $"Install criu {MinimumVersion(kernel)} or later, or name one with {CriuPathVariable}.");
        }
    }

    /// <summary>The version of the program, which runs once for each path and modification time.</summary>
    /// <exception cref="CracException"><see cref="CracReason.CriuNotFound"/>: it does not run, or prints no version.</exception>
    internal Version GetVersion()
    {
        Lazy<Version> version = FindVersion();
        try
        {
            return version.Value;
        }
        catch
        {
            // The cause may be gone the next time.
            foreach (KeyValuePair<(string, DateTime), Lazy<Version>> known in Versions)
            {
                if (known.Value == version)
                {
                    Versions.TryRemove(known);
                }
            }

            throw;
        }
    }

    private Lazy<Version> FindVersion() =>
        Versions.GetOrAdd((CriuPath, File.GetLastWriteTimeUtc(CriuPath)), static key => new Lazy<Version>(() => ReadVersion(key.Path)));

    /// <summary>The running kernel's version, without the distribution's suffix.</summary>
    internal static Version ReadKernelVersion()
    {
        Version version = Environment.OSVersion.Version;
        return new Version(version.Major, version.Minor, Math.Max(0, version.Build));
    }

    /// <summary>Refuses a criu that someone else may change, as root.</summary>
    /// <exception cref="CracException"><see cref="CracReason.FileNotTrusted"/>.</exception>
    internal static void RequireTrustedProgram(string path) => FileTrust.Require(path, "criu at", $"give another criu with -CriuPath or {CriuPathVariable}");

    private void RequireTrusted()
    {
        RequireTrustedProgram(CriuPath);
        if (LibCriu.LoadedPath is null && LibCriuPath.Contains('/', StringComparison.Ordinal))
        {
            string alternative = $"name another libcriu with {LibCriuPathVariable}";
            FileTrust.Require(LibCriuPath, "libcriu at", alternative);
            FileTrust.Require(LibCriu.DependencyOf(LibCriuPath), "libcriu's library at", alternative);
        }

        CriuTrust.Require();
    }

    private static CriuInstallation Find(string? criuPath, string? libCriuPath)
    {
        string? privateCopy = FindPrivateCopy();
        (string criu, string criuSource) = FindCriu(criuPath, privateCopy);
        (string lib, string libSource) = FindLibCriu(libCriuPath, privateCopy, criu);
        return new CriuInstallation(criu, criuSource, lib, libSource);
    }

    private static (string Path, string Source) FindCriu(string? explicitPath, string? privateCopy)
    {
        if (!string.IsNullOrEmpty(explicitPath))
        {
            return (RequireProgram(explicitPath, "-CriuPath"), "-CriuPath");
        }

        string? fromEnvironment = Environment.GetEnvironmentVariable(CriuPathVariable);
        if (!string.IsNullOrEmpty(fromEnvironment))
        {
            return (RequireProgram(fromEnvironment, CriuPathVariable), CriuPathVariable);
        }

        if (privateCopy is not null)
        {
            return (Path.Combine(privateCopy, "bin", "criu"), ".tools/criu");
        }

        string[] path = (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':', StringSplitOptions.RemoveEmptyEntries);
        foreach (string folder in path.Concat(CriuPrograms.SystemFolders))
        {
            string candidate = Path.Combine(folder, "criu");
            if (IsProgram(candidate))
            {
                return (Path.GetFullPath(candidate), "PATH");
            }
        }

        throw new CracException(
            CracReason.CriuNotFound,
            $"No criu program was found. Searched: {CriuPathVariable} (not set), .tools/criu of a source checkout, PATH, {string.Join(", ", CriuPrograms.SystemFolders)}.",
            $"Install the package 'criu' ({MinimumVersion(ReadKernelVersion())} or later for this kernel), or name the program with {CriuPathVariable}. Test-CracEnvironment shows what else is needed.");
    }

    private static (string Path, string Source) FindLibCriu(string? explicitPath, string? privateCopy, string criu)
    {
        if (!string.IsNullOrEmpty(explicitPath))
        {
            return (explicitPath, "the caller");
        }

        string? fromEnvironment = Environment.GetEnvironmentVariable(LibCriuPathVariable);
        if (!string.IsNullOrEmpty(fromEnvironment))
        {
            return (fromEnvironment, LibCriuPathVariable);
        }

        if (privateCopy is not null)
        {
            return (Path.Combine(privateCopy, "lib", LibraryName), ".tools/criu");
        }

        // A criu installed under its own prefix has its library there, where the loader may not search.
        string besideCriu = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(criu) ?? "/", "..", "lib", LibraryName));
        return File.Exists(besideCriu) ? (besideCriu, "beside criu") : (LibraryName, "the loader");
    }

    private static string RequireProgram(string path, string source) => IsProgram(path)
        ? Path.GetFullPath(path)
        : throw new CracException(
            CracReason.CriuNotFound,
            $"{source} names {path}, which is not an executable file.",
            $"Correct {source}, or leave it out to search the PATH for criu.");

    private static bool IsProgram(string path)
    {
        const UnixFileMode Execute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        return File.Exists(path) && (File.GetUnixFileMode(path) & Execute) != 0;
    }

    /// <summary>The .tools/criu of the checkout that this assembly was built in; null if there is none.</summary>
    private static string? FindPrivateCopy()
    {
        const int DeepestBuildFolder = 7;
        string? folder = EngineFolder.Path;
        for (int i = 0; i < DeepestBuildFolder && !string.IsNullOrEmpty(folder); i++, folder = Path.GetDirectoryName(folder))
        {
            string candidate = Path.Combine(folder, ".tools", "criu");
            if (File.Exists(Path.Combine(folder, "PSCrac.slnx")) && IsProgram(Path.Combine(candidate, "bin", "criu")))
            {
                return candidate;
            }
        }

        return null;
    }

    private static CracException LibCriuNotFound(CriuInstallation found, string? error) => new(
        CracReason.LibCriuNotFound,
        $"libcriu could not be loaded from {found.LibCriuPath} ({found.LibCriuSource}). Searched: {LibCriuPathVariable}, .tools/criu of a source checkout, beside {found.CriuPath}, the loader's folders. The loader reported: {error?.Split('\n')[0].Trim()}",
        $"Install the package 'libcriu2' (Debian, Ubuntu) or 'criu-libs' (Fedora), or name the file with {LibCriuPathVariable}.");

    private static Version ReadVersion(string path)
    {
        try
        {
            var start = new ProcessStartInfo(path, ["--version"]) { RedirectStandardOutput = true, RedirectStandardError = true };
            CriuWorker.SetEnvironment(start);
            using Process criu = Process.Start(start)!;
            Task<string> errors = criu.StandardError.ReadToEndAsync();
            string output = criu.StandardOutput.ReadToEnd();
            criu.WaitForExit();
            return ParseVersion(output) ?? throw VersionNotFound(path, output, errors.Result);
        }
        catch (Win32Exception e)
        {
            throw LimitFailure.Explain($"{path} could not be started", (Errno)e.NativeErrorCode) ?? new CracException(
                CracReason.CriuNotFound, $"{path} could not be started: {e.Message}.", $"Name another criu with -CriuPath or {CriuPathVariable}.", e);
        }
    }

    private static CracException VersionNotFound(string path, string output, string errors)
    {
        // criu reads its configuration files even for --version, and prints only an error if one is not valid.
        IReadOnlyList<string> lines = CriuLog.SelectErrors(errors);
        if (KnownFailures.Find(CracOperation.Check, lines).Row is not null)
        {
            return KnownFailures.Explain(CracOperation.Check, log: null, lines);
        }

        string answer = output.Trim().Length > 0 ? output.Trim().Split('\n')[0] : lines.Count > 0 ? lines[0] : "nothing";
        return new CracException(
            CracReason.CriuNotFound,
            $"{path} is not criu, or does not run: its answer to --version was '{answer}'.",
            $"Name another criu with -CriuPath or {CriuPathVariable}.")
        {
            CriuLines = lines,
        };
    }

    /// <summary>Parses "Version: 4.2.1" in criu's output or log; null if it is missing.</summary>
    internal static Version? ParseVersion(string text)
    {
        const string Label = "Version: ";
        int start = text.IndexOf(Label, StringComparison.Ordinal);
        if (start < 0)
        {
            return null;
        }

        start += Label.Length;
        int end = start;
        while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] == '.'))
        {
            end++;
        }

        string number = text[start..end].TrimEnd('.');
        return Version.TryParse(number.Contains('.', StringComparison.Ordinal) ? number : string.Create(CultureInfo.InvariantCulture, $"{number}.0"), out Version? version)
            ? version
            : null;
    }
}
