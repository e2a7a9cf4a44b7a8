using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Starting.Services;

/// <summary>Holds a service for one crac-start: a locked file in the folder of the descriptions, whose content is the holder's pid.</summary>
internal sealed class ServiceLock : IDisposable
{
    private const uint FolderMode = 0x1ED; // 0755
    private const uint FileMode = 0x1A4; // 0644
    private const int MaximumText = 32;
    private static readonly TimeSpan s_holderTimeout = TimeSpan.FromMilliseconds(200);
    private readonly SafeFileHandle _file;

    private ServiceLock(SafeFileHandle file) => _file = file;

    /// <summary>Takes the lock.</summary>
    /// <param name="service">The service's name.</param>
    /// <exception cref="CracException"><see cref="CracReason.ServiceRunning"/>; <see cref="CracReason.PermissionDenied"/>: there can be no such file.</exception>
    internal static ServiceLock Take(string service)
    {
        using FolderHandle folder = FolderHandle.Make(ServiceStore.Folder, FolderMode, out Errno errno) ?? throw NotWritten(service, errno);
        SafeFileHandle? file;
        do
        {
            file = TryLock(folder, service, LibC.O_CREAT);
        }
        while (file is null);
        RandomAccess.SetLength(file, 0);
        RandomAccess.Write(file, Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)), 0);
        return new ServiceLock(file);
    }

    /// <summary>Refuses a service that a crac-start runs, also one that has no process yet.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ServiceRunning"/>.</exception>
    internal static void RequireFree(string service)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(ServiceStore.Folder, out _);
        if (folder?.Contains(NameOf(service)) == true)
        {
            TryLock(folder, service, flags: 0)?.Dispose();
        }
    }

    /// <summary>Removes the file of a service that no crac-start runs.</summary>
    internal static void Remove(string service)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(ServiceStore.Folder, out _);
        try
        {
            using SafeFileHandle? file = folder?.Contains(NameOf(service)) == true ? TryLock(folder, service, flags: 0) : null;
            if (file is not null)
            {
                folder!.Delete(NameOf(service));
            }
        }
        catch (CracException)
        {
            // It is in use, and stays.
        }
    }

    // Null where the file was removed before it was locked: another crac-start may have a lock of a new one.
    private static SafeFileHandle? TryLock(FolderHandle folder, string service, int flags)
    {
        SafeFileHandle file = folder.Open(NameOf(service), LibC.O_RDWR | flags, out Errno errno, FileMode);
        if (errno != 0)
        {
            file.Dispose();
            return errno == Errno.ENOENT && (flags & LibC.O_CREAT) == 0 ? null : throw NotWritten(service, errno);
        }

        if (LibC.TryLock(file) == Errno.EAGAIN)
        {
            using (file)
            {
                throw Held(service, ReadHolder(file));
            }
        }

        if (FileStatus.TryReadAt(file, "", LibC.AT_EMPTY_PATH, out FileStatus own, out _) && folder.TryGetStatus(NameOf(service), out FileStatus there, out _) && there.IsSameFile(own))
        {
            return file;
        }

        file.Dispose();
        return null;
    }

    // Who has just taken the lock has not written its pid yet: the file is empty, or has that of one before.
    private static string ReadHolder(SafeFileHandle file)
    {
        string holder = "";
        SpinWait.SpinUntil(
            () =>
            {
                string text = Encoding.ASCII.GetString(SmallFile.Read(file, MaximumText) ?? []).Trim();
                holder = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int id) && ProcessStatus.TryRead(id) is not null ? text : "";
                return holder.Length > 0;
            },
            s_holderTimeout);
        return holder;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static string NameOf(string service) => $".{service}.lock";

    private static CracException Held(string service, string holder) => new(
        CracReason.ServiceRunning,
        $"The service {service} is started already{(holder.Length > 0 ? $", by process {holder}" : "")}.",
        $"End it first, such as with systemctl stop {service}{(holder.Length > 0 ? $" or kill {holder}" : "")}.");

    private static CracException NotWritten(string service, Errno errno) => ServiceStore.NotWritten(Path.Combine(ServiceStore.Folder, NameOf(service)), errno);
}
