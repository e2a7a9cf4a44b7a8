namespace PSCrac.Tests.Support;

/// <summary>A file system of a few megabytes, in memory, to be filled up. Needs root.</summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    internal SmallDisk(int mebibytes)
        : this($"size={mebibytes}m")
    {
    }

    /// <summary>Mounts it with tmpfs's own options.</summary>
    internal SmallDisk(string options)
    {
        (int code, string error) = CriuProgram.RunProgram("mount", "-t", "tmpfs", "-o", options, "pscrac-test", _folder.FullPath);
        if (code != 0)
        {
            _folder.Dispose();
            throw new IOException(error);
        }
    }

    internal string At(string name) => _folder.At(name);

    internal string[] Names() => _folder.Names();

    /// <summary>Takes all the space that is left.</summary>
    internal void Fill()
    {
        using var file = new FileStream(At("filler"), FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        byte[] page = new byte[4096];
        try
        {
            while (true)
            {
                file.Write(page);
            }
        }
        catch (IOException)
        {
            // Full, as wanted.
        }
    }

    /// <summary>Takes all the names that are left, on a disk that is limited in them (nr_inodes).</summary>
    internal void FillNames()
    {
        try
        {
            for (int i = 0; ; i++)
            {
                File.Create(At($"name{i}")).Dispose();
            }
        }
        catch (IOException)
        {
            // Full, as wanted.
        }
    }

    public void Dispose()
    {
        CriuProgram.RunProgram("umount", "-l", _folder.FullPath);
        _folder.Dispose();
    }
}
