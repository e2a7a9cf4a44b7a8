using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Starting.Services;

/// <summary>Holds a service for one crac-start: a locked file in the folder of the descriptions, whose content is the holder's pid.</summary>
internal sealed class ServiceLock : IDisposable
{
    private const uint FolderMode = 0x1ED; // 0755
    private const uint FileMode = 0x1A4; // 0644
    private const int MaximumText = 32;
    private readonly SafeFileHandle _file;

    private ServiceLock(SafeFileHandle file) => _file = file;

    /// <summary>Takes the lock.</summary>
    /// <param name="service">The service's name.</param>
    /// <exception cref="CracException"><see cref="CracReason.ServiceRunning"/>; <see cref="CracReason.PermissionDenied"/>: there can be no such file.</exception>
    internal static ServiceLock Take(string service)
    {
        SafeFileHandle file = Open(service);
        if (LibC.TryLock(file) == Errno.EAGAIN)
        {
            using (file)
            {
                string holder = Encoding.ASCII.GetString(SmallFile.Read(file, MaximumText) ?? []).Trim();
                throw new CracException(
                    CracReason.ServiceRunning,
                    $"The service {service} is started already{(holder.Length > 0 ? $", by process {holder}" : "")}.",
                    $"End it first, such as with systemctl stop {service}{(holder.Length > 0 ? $" or kill {holder}" : "")}.");
            }
        }

        RandomAccess.SetLength(file, 0);
        RandomAccess.Write(file, Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)), 0);
        return new ServiceLock(file);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static string NameOf(string service) => $".{service}.lock";

    private static SafeFileHandle Open(string service)
    {
        using FolderHandle? folder = FolderHandle.Make(ServiceStore.Folder, FolderMode, out Errno errno);
        SafeFileHandle? file = folder?.Open(NameOf(service), LibC.O_RDWR | LibC.O_CREAT, out errno, FileMode);
        return errno == 0 ? file! : throw ServiceStore.NotWritten(Path.Combine(ServiceStore.Folder, NameOf(service)), errno);
    }
}
