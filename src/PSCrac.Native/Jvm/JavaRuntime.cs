using System.Globalization;
using System.Text;

namespace PSCrac.Jvm;

/// <summary>An installed Java runtime: its folder, its version, and its support for CRaC. Read from its files; nothing of it is run.</summary>
internal sealed record JavaRuntime
{
    private const int MaximumReleaseFileSize = 64 * 1024;

    private JavaRuntime(string home)
    {
        Home = home;
    }

    /// <summary>The runtime's folder (java.home), as its own processes see it.</summary>
    internal string Home { get; }

    /// <summary>The <c>java</c> program; it need not exist, as in a runtime that is part of a program.</summary>
    internal string Executable => Path.Combine(Home, "bin", "java");

    /// <summary>The version, such as <c>17.0.15+6</c>, from the runtime's <c>release</c> file; null if that has none.</summary>
    internal string? Version { get; private init; }

    /// <summary>The feature version, such as 17; 0 where it is not known. Before 9 the version began with 1.</summary>
    internal int FeatureVersion =>
        Version?.Split('.', '+', '-', '_') is [var first, .. var rest] && int.TryParse(first, CultureInfo.InvariantCulture, out int number)
            ? number == 1 && rest is [var second, ..] && int.TryParse(second, CultureInfo.InvariantCulture, out int old) ? old : number
            : 0;

    /// <summary>Who built it, such as <c>Azul Systems, Inc.</c>; null if the <c>release</c> file has none.</summary>
    internal string? Implementor { get; private init; }

    /// <summary>Whether it is built for musl rather than for glibc: the numbers of their real-time signals differ.</summary>
    internal bool IsMusl { get; private init; }

    /// <summary>Its support for CRaC.</summary>
    internal CracSupport Support { get; private init; }

    /// <summary>
    /// Whether it writes <c>cppath</c> into its images, after criu has ended. The engines that are a program of their own
    /// do (lib/criuengine); those that are a library (lib/libcriuengine.so) do not.
    /// </summary>
    internal bool WritesImagePath { get; private init; }

    /// <summary>Reads a runtime's folder.</summary>
    /// <param name="home">The folder that holds <c>bin/java</c> and <c>lib</c>.</param>
    /// <returns>The runtime, or null if the folder has none with a HotSpot library (lib/server/libjvm.so).</returns>
    internal static JavaRuntime? TryOpen(string home)
    {
        ArgumentException.ThrowIfNullOrEmpty(home);
        return TryOpen(home, home);
    }

    /// <summary>Finds the runtime of a <c>java</c> program: links are followed, as Debian's alternatives need.</summary>
    /// <param name="program">A path of the program or of the runtime's folder, or a bare name that is looked for on the PATH.</param>
    /// <returns>The runtime, or null if the program does not exist or is not a HotSpot <c>java</c>.</returns>
    internal static JavaRuntime? TryFind(string program)
    {
        ArgumentException.ThrowIfNullOrEmpty(program);
        string? path = program.Contains('/', StringComparison.Ordinal) ? Path.GetFullPath(program) : FindOnPath(program);
        if (Directory.Exists(path))
        {
            return TryOpen(path);
        }

        if (path is null || !File.Exists(path))
        {
            return null;
        }

        string real = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        string? bin = Path.GetDirectoryName(real);
        string? home = bin is null || Path.GetFileName(bin) != "bin" ? null : Path.GetDirectoryName(bin);

        // JDK 8 has a java under jre/bin as well; both folders have a lib with the same parent.
        return home is null ? null : TryOpen(home);
    }

    /// <summary>Reads a runtime that another process has under another path.</summary>
    /// <param name="home">Its folder as its processes see it.</param>
    /// <param name="here">The same folder as this process sees it.</param>
    internal static JavaRuntime? TryOpen(string home, string here)
    {
        string lib = Path.Combine(here, "lib");
        if (!File.Exists(Path.Combine(lib, "server", "libjvm.so")) && !File.Exists(Path.Combine(lib, "amd64", "server", "libjvm.so")))
        {
            return null;
        }

        Dictionary<string, string> release = ReadRelease(Path.Combine(here, "release"));
        bool Has(string file) => File.Exists(Path.Combine(lib, file));

        // The first builds start lib/criu themselves, and it writes cppath by a script of theirs.
        bool engineLibrary = Has("libcriuengine.so");
        bool engineProgram = Has("criuengine") || (!engineLibrary && Has("criu"));
        bool module = release.GetValueOrDefault("MODULES", string.Empty).Split(' ').Contains("jdk.crac", StringComparer.Ordinal);
        CracSupport support = engineProgram || engineLibrary ? CracSupport.Criu
            : Has("libwarp.so") || Has("warp") ? CracSupport.Warp
            : module || Has("simengine") || Has("libsimengine.so") || Has("pauseengine") ? CracSupport.Simulated
            : CracSupport.None;
        return new JavaRuntime(home)
        {
            Version = release.GetValueOrDefault("JAVA_RUNTIME_VERSION") ?? release.GetValueOrDefault("JAVA_VERSION"),
            Implementor = release.GetValueOrDefault("IMPLEMENTOR"),
            IsMusl = release.GetValueOrDefault("LIBC") == "musl",
            Support = support,
            WritesImagePath = engineProgram,
        };
    }

    // Lines of NAME="value".
    private static Dictionary<string, string> ReadRelease(string path)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            if (new FileInfo(path) is not { Exists: true, Length: <= MaximumReleaseFileSize })
            {
                return values;
            }

            foreach (string line in File.ReadLines(path, Encoding.UTF8))
            {
                int equals = line.IndexOf('=', StringComparison.Ordinal);
                if (equals > 0)
                {
                    values[line[..equals]] = line[(equals + 1)..].Trim().Trim('"');
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A runtime works without the file.
        }

        return values;
    }

    private static string? FindOnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? string.Empty)
            .Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, program))
            .FirstOrDefault(File.Exists);
}
