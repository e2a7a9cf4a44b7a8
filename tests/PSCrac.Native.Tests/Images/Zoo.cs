using PSCrac.Tests.Images.Memory;
using Xunit;

namespace PSCrac.Tests.Images;

/// <summary>Images of zoo.py, taken once for all tests that look at them: one of the host, one of a process with namespaces of its own.</summary>
public sealed class Zoo : IDisposable
{
    /// <summary>The name of the collection of tests that share the images.</summary>
    public const string Collection = "zoo";

    private readonly Lazy<DumpedProcess> _host = new(() => Dump("sysv,tun", "exec python3 \"$ZOO_SCRIPT\""));

    private readonly Lazy<DumpedProcess> _namespaces = new(() => Dump(
        "locks", "exec unshare -uinm bash -c 'mount -t tmpfs zoo \"$ZOO_MOUNT\"; echo kept >\"$ZOO_MOUNT/file\"; ip link set lo up; exec python3 \"$ZOO_SCRIPT\"'"));

    private readonly Lazy<string> _compressed;

    /// <summary>Takes none yet.</summary>
    public Zoo() => _compressed = new(() =>
    {
        string copy = ImageCopy.Create(_host.Value.Path);
        CompressedImage.Create(copy, 16);
        return copy;
    });

    /// <summary>Processes with one of every kind of descriptor, memory, timer and lock.</summary>
    internal CracImage Host => CracImage.Open(_host.Value.Path);

    /// <summary>The same with UTS, IPC, network and mount namespaces of their own, a tun device and System V objects.</summary>
    internal CracImage Namespaces => CracImage.Open(_namespaces.Value.Path);

    /// <summary>The first with its memory compressed.</summary>
    internal CracImage Compressed => CracImage.Open(_compressed.Value);

    /// <summary>Both that criu wrote.</summary>
    internal IEnumerable<CracImage> All => [Host, Namespaces];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Lazy<DumpedProcess> image in (Lazy<DumpedProcess>[])[_host, _namespaces])
        {
            if (image.IsValueCreated)
            {
                image.Value.Dispose();
            }
        }

        if (_compressed.IsValueCreated)
        {
            Directory.Delete(Path.GetDirectoryName(_compressed.Value)!, recursive: true);
        }
    }

    private static DumpedProcess Dump(string without, string script)
    {
        string home = Directory.CreateTempSubdirectory("pscrac-zoo-").FullName;
        string shared = Path.Combine("/dev/shm", Path.GetFileName(home));
        try
        {
            Directory.CreateDirectory(home + "/files");
            Directory.CreateDirectory(home + "/mount");
            Directory.CreateDirectory(shared);
            string setup = $"export ZOO_SCRIPT='{Path.Combine(AppContext.BaseDirectory, "Images", "zoo.py")}' "
                + $"ZOO_WITHOUT='{without}' ZOO_FOLDER='{home}/files' ZOO_SHM='{shared}' ZOO_MOUNT='{home}/mount'; ";
            return DumpedProcess.OfScript(setup + script, "--file-locks", "--tcp-established", "--network-lock", "skip", "--link-remap");
        }
        finally
        {
            Directory.Delete(home, recursive: true);
            Directory.Delete(shared, recursive: true);
        }
    }
}

/// <summary>Tests that share the zoo's images.</summary>
[CollectionDefinition(Zoo.Collection)]
public sealed class ZooTests : ICollectionFixture<Zoo>;
