using System.Buffers;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Images.Manifest;
using PSCrac.Interop;

namespace PSCrac.Starting.Fingerprints;

/// <summary>How a file differs from its fingerprint.</summary>
internal enum FileChange
{
    /// <summary>It does not.</summary>
    None,

    /// <summary>Its content differs, or may differ.</summary>
    Changed,

    /// <summary>It no longer exists.</summary>
    Gone,

    /// <summary>It did not exist.</summary>
    Added,

    /// <summary>Its symbolic links resolve to another file.</summary>
    Moved,
}

/// <summary>Takes the fingerprint of a file, and compares a file with one. Only small files are read, and for a comparison only if their times differ.</summary>
internal static class FileFingerprint
{
    private const int FileTypeMask = 0xf000;
    private const int RegularFile = 0x8000;

    /// <summary>Reads a file's size and times. False for all but regular files, and for files of proc, sysfs and /dev.</summary>
    internal static bool TryStat(string path, out LibC.Statx status)
    {
        status = default;
        return !IsVirtual(path)
            && LibC.StatAt(LibC.WorkingDirectory, path, 0, out status) == Errno.None
            && (status.Mode & FileTypeMask) == RegularFile;
    }

    /// <summary>Takes the fingerprint of a file, without its hash.</summary>
    internal static ImageManifestStartFile Read(string path, ImageManifestStartRole role)
    {
        if (!TryStat(path, out LibC.Statx status))
        {
            return new ImageManifestStartFile { Path = path, Role = role };
        }

        string? target = HasTarget(role) ? RealPath.Find(path) : null;
        return new ImageManifestStartFile
        {
            Path = path,
            Role = role,
            Target = target == path ? null : target,
            Size = (long)status.Size,
            Modified = ToTime(status.ModifySeconds, status.ModifyNanoseconds),
            Changed = ToTime(status.ChangeSeconds, status.ChangeNanoseconds),
        };
    }

    /// <summary>Adds the hash to the fingerprint of a small file.</summary>
    internal static ImageManifestStartFile AddHash(ImageManifestStartFile file) =>
        file.Size is <= ImageManifest.MaximumHashedSize ? file with { Sha256 = Hash(file.Path, file.Size.Value) } : file;

    /// <summary>
    /// Compares a file with its fingerprint. The inode's time is compared too, since an archive or a package may give new
    /// content the old modification time. Where the hash is known, other times alone are no change.
    /// </summary>
    internal static FileChange Compare(ImageManifestStartFile then)
    {
        bool exists = TryStat(then.Path, out LibC.Statx now);
        if (then.Size is not { } size)
        {
            return exists ? FileChange.Added : FileChange.None;
        }

        if (!exists)
        {
            return FileChange.Gone;
        }

        if (HasTarget(then.Role) && RealPath.Find(then.Path) != (then.Target ?? then.Path))
        {
            return FileChange.Moved;
        }

        if ((long)now.Size != size)
        {
            return FileChange.Changed;
        }

        bool isSameTime = ToTime(now.ModifySeconds, now.ModifyNanoseconds) == then.Modified;
        if (then.Sha256 is not { } hash)
        {
            return isSameTime ? FileChange.None : FileChange.Changed;
        }

        return IsSameTime(now, then) || Hash(then.Path, size) == hash ? FileChange.None : FileChange.Changed;
    }

    /// <summary>Whether a file has the size and both times of its fingerprint.</summary>
    internal static bool IsUntouched(ImageManifestStartFile then) =>
        TryStat(then.Path, out LibC.Statx now) && (long)now.Size == then.Size && IsSameTime(now, then);

    // Modules and libraries are searched beside the real file.
    private static bool HasTarget(ImageManifestStartRole role) => role is ImageManifestStartRole.Program or ImageManifestStartRole.Script;

    private static bool IsVirtual(string path) =>
        path.StartsWith("/proc/", StringComparison.Ordinal) || path.StartsWith("/sys/", StringComparison.Ordinal) || path.StartsWith("/dev/", StringComparison.Ordinal);

    private static bool IsSameTime(in LibC.Statx now, ImageManifestStartFile then) =>
        ToTime(now.ModifySeconds, now.ModifyNanoseconds) == then.Modified && ToTime(now.ChangeSeconds, now.ChangeNanoseconds) == then.Changed;

    // In units of 100 ns, as in the manifest. File systems have times outside the range of DateTimeOffset.
    private static DateTimeOffset ToTime(long seconds, uint nanoseconds) => DateTimeOffset
        .FromUnixTimeSeconds(Math.Clamp(seconds, DateTimeOffset.MinValue.ToUnixTimeSeconds(), DateTimeOffset.MaxValue.ToUnixTimeSeconds()))
        .AddTicks(nanoseconds / TimeSpan.NanosecondsPerTick);

    private static string? Hash(string path, long size)
    {
        using SafeFileHandle file = LibC.Open(path, LibC.O_RDONLY | LibC.O_NONBLOCK, out Errno errno);
        if (errno != Errno.None || size is < 0 or > ImageManifest.MaximumHashedSize)
        {
            return null;
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)size + 1);
        try
        {
            int length = 0;
            while (length <= size && RandomAccess.Read(file, buffer.AsSpan(length, (int)size + 1 - length), length) is > 0 and int count)
            {
                length += count;
            }

            if (length != size)
            {
                return null;
            }

            Span<byte> digest = stackalloc byte[Sha256.Length];
            Sha256.Hash(buffer.AsSpan(0, length), digest);
            return Convert.ToHexStringLower(digest);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
