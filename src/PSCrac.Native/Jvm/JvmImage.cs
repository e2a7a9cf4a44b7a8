using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Jvm;

/// <summary>The JVM of an image that a JVM took of itself, read from the image.</summary>
internal sealed class JvmImage
{
    private const string EngineName = "engine";
    private const string Inventory = "inventory.img";
    private const string Library = "/libjvm.so";
    private const string PerfData = "perfdata";
    private const int MaximumPathLength = 4096;

    private readonly CracImage _image;

    private JvmImage(CracImage image, JavaRuntime? runtime, string? home, bool isMusl)
    {
        _image = image;
        Runtime = runtime;
        Home = home;
        IsMusl = isMusl;
    }

    /// <summary>The runtime that made the image; null if it no longer exists.</summary>
    internal JavaRuntime? Runtime { get; }

    /// <summary>The folder that the runtime was in; null if the image has no libjvm.so.</summary>
    internal string? Home { get; }

    /// <summary>Whether the runtime's C library is musl.</summary>
    internal bool IsMusl { get; }

    /// <summary>
    /// Whether a JVM took the image of itself and waits in it for a signal. The newer engines write no cppath; their log has a
    /// name that nothing else uses, and their images a file that names the engine.
    /// </summary>
    internal static bool IsOf(CracImage image) =>
        image.Engine == CracEngine.Jvm || (image.Manifest is null && (image.Source.Contains(JvmImageDirectory.LogName) || image.Source.Contains(EngineName)));

    /// <summary>Whether a JVM took an image of itself; refuses an image that it did not where the JVM's way was asked for.</summary>
    /// <param name="image">The image.</param>
    /// <param name="engine">What was asked for. It does not matter for an image of a sleeping JVM, which has to be woken either way.</param>
    /// <exception cref="CracException"><see cref="CracReason.JvmNotCapable"/>: the JVM's way was asked for, and the image is none of a JVM's.</exception>
    internal static bool IsOf(CracImage image, CracEngineChoice engine)
    {
        bool isJvm = IsOf(image);
        return isJvm || engine != CracEngineChoice.Jvm ? isJvm : throw new CracException(
            CracReason.JvmNotCapable, $"The image {image.Path} was not taken by a JVM of itself.", "Leave out -Engine, or use -Engine Criu.");
    }

    /// <summary>Whether a directory has criu's inventory, which criu writes after all else of an image (criu's cr_dump_tasks).</summary>
    internal static bool HasInventory(FolderHandle directory) => HasContent(directory, Inventory);

    /// <summary>Whether a directory has a file of this name that is not empty.</summary>
    internal static bool HasContent(FolderHandle directory, string name) =>
        directory.TryGetStatus(name, out FileStatus status, out _) && status is { Type: FileType.Regular, SizeBytes: > 0 };

    /// <summary>
    /// The name of the engine that wrote an image, such as criuengine, from the file that the JVM adds
    /// (openjdk/crac: crac_engine.cpp); null where there is none, as from older builds.
    /// </summary>
    internal static string? ReadEngine(FolderHandle directory)
    {
        const int MaximumName = 256;
        using SafeFileHandle file = directory.OpenToRead(EngineName, out Errno errno);
        if (errno != 0)
        {
            return null;
        }

        byte[] name = new byte[MaximumName];
        int length = RandomAccess.Read(file, name, 0);
        return Encoding.UTF8.GetString(name, 0, length).Trim();
    }

    /// <summary>Whether an engine other than criu wrote an image.</summary>
    internal static bool IsOfOtherEngine(FolderHandle directory) => ReadEngine(directory) is { Length: > 0 } engine && !JvmEngine.IsCriu(engine);

    /// <summary>Whether a directory holds a complete image, by its files alone.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="missing">What is missing or damaged; null for a complete image.</param>
    internal static bool IsComplete(FolderHandle directory, [System.Diagnostics.CodeAnalysis.NotNullWhen(false)] out string? missing)
    {
        if (!HasInventory(directory))
        {
            missing = Inventory;
            return false;
        }

        try
        {
            return CracImage.Open(new DirectoryImageSource(directory)).IsRestorable(out missing);
        }
        catch (Exception e) when (e is CracException or IOException or UnauthorizedAccessException)
        {
            missing = e.Message;
            return false;
        }
    }

    /// <summary>Reads which files the image's processes had open or mapped.</summary>
    internal static JvmImage Read(CracImage image)
    {
        string? home = null;
        bool musl = false;

        // All in one file since criu 3.13, in one of their own before.
        foreach (string name in (ReadOnlySpan<string>)["files.img", "reg-files.img"])
        {
            if (!image.Source.Contains(name))
            {
                continue;
            }

            foreach (CracImageEntry entry in new ImageContentReader(image, payloadLimit: 0).ReadFile(name))
            {
                CracImageRecord record = entry.TryGetValue("reg", out object? inner) && inner is CracImageRecord regular ? regular : entry;
                if (!record.TryGetValue("name", out object? value) || value is not string path)
                {
                    continue;
                }

                musl |= Path.GetFileName(path).StartsWith("ld-musl-", StringComparison.Ordinal);
                if (home is null && path.EndsWith(Library, StringComparison.Ordinal))
                {
                    home = HomeOf(path);
                }
            }
        }

        JavaRuntime? runtime = home is null ? null : JavaRuntime.TryOpen(home);
        return new JvmImage(image, runtime, home, musl || runtime is { IsMusl: true });
    }

    /// <summary>
    /// The file of performance counters that the older engines put into the image, with criu's key for it. The image knows
    /// it by the path that cppath tells, which is why cppath stays as it is when an image is moved. Null without one.
    /// </summary>
    internal (SafeFileHandle File, string Key)? OpenPerfData()
    {
        if (_image.Source is not DirectoryImageSource source || !source.Contains(PerfData) || !source.Contains(JvmImageDirectory.OriginalPathName))
        {
            return null;
        }

        using ImageFile original = source.Open(JvmImageDirectory.OriginalPathName);
        byte[] text = new byte[Math.Min(original.Length, MaximumPathLength)];
        original.ReadExactlyAt(0, text);
        SafeFileHandle file = source.OpenFile(PerfData, LibC.O_RDWR, out Errno errno);
        if (errno != 0)
        {
            file.Dispose();
            throw new CracException(
                CracReason.PermissionDenied, $"The image's file {PerfData} cannot be opened for writing: {LibC.Message(errno)}.", "Run as the image's owner.")
            {
                FileName = PerfData,
            };
        }

        // criu's key of a file is its path without the first slash.
        return (file, string.Create(CultureInfo.InvariantCulture, $"{Encoding.UTF8.GetString(text).Trim('/')}/{PerfData}"));
    }

    /// <summary>The java that can restore the image; null where it is not there or does not know CRaC.</summary>
    /// <param name="path">The one to use, or its runtime's folder; null for that of the runtime that made the image.</param>
    internal string? FindJava(string? path)
    {
        JavaRuntime? runtime = path is null ? Runtime : JavaRuntime.TryFind(path);
        string? program = path is null || Directory.Exists(path) ? runtime?.Executable : path;
        return runtime is { Support: not (CracSupport.None or CracSupport.Simulated) } && File.Exists(program) ? program : null;
    }

    /// <summary>
    /// Has a JVM go on that criu alone has restored. It sleeps in its image until a signal with a number tells it to
    /// (openjdk/crac: libcriuengine/criuengine.cpp).
    /// </summary>
    /// <param name="processId">The restored JVM.</param>
    /// <exception cref="CracException"><see cref="CracReason.ProcessGone"/>, <see cref="CracReason.PermissionDenied"/>.</exception>
    internal void Wake(int processId)
    {
        // SIGRTMIN + 2, and 0 for "no new parameters". The first real-time signals are the C library's own: two of glibc's,
        // three of musl's (signal(7); musl's src/internal/pthread_impl.h).
        const int NoParameters = 0;
        int signal = (IsMusl ? 35 : 34) + 2;
        using SafeFileHandle pidFd = LibC.OpenPidFd(processId, out Errno errno);
        errno = errno != 0 ? errno : LibC.Queue(pidFd, signal, NoParameters);
        if (errno != 0)
        {
            throw new CracException(
                errno == Errno.ESRCH ? CracReason.ProcessGone : CracReason.PermissionDenied,
                $"The JVM was restored as process {processId}, but could not be woken: {LibC.Message(errno)}.",
                $"Wake it with: kill -s {signal} {processId}, as root; or end it.")
            {
                ProcessId = processId,
            };
        }
    }

    private static string? HomeOf(string library)
    {
        for (string? folder = Path.GetDirectoryName(library); !string.IsNullOrEmpty(folder); folder = Path.GetDirectoryName(folder))
        {
            if (Path.GetFileName(folder) == "lib")
            {
                return Path.GetDirectoryName(folder);
            }
        }

        return null;
    }
}
