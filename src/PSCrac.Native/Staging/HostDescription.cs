using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using PSCrac.Images.Manifest;
using PSCrac.Procfs;

namespace PSCrac.Staging;

/// <summary>Describes this host for a manifest.</summary>
internal static class HostDescription
{
    internal static ImageManifestHost Read() => new()
    {
        Name = Environment.MachineName,
        MachineId = ReadLine("/etc/machine-id"),
        BootId = ReadLine(Procfs.BootId.Path),
        Kernel = ReadLine("/proc/sys/kernel/osrelease"),
        Architecture = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant(),
        CpuFeatures = ProcessorFeatures.Read(),
        Addresses = ReadAddresses(),
    };

    private static string? ReadLine(string path)
    {
        try
        {
            string text = File.ReadAllText(path).Trim();
            return text.Length == 0 ? null : text;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static List<string> ReadAddresses()
    {
        var addresses = new List<string>();
        foreach (NetworkInterface each in NetworkInterface.GetAllNetworkInterfaces())
        {
            foreach (UnicastIPAddressInformation address in each.GetIPProperties().UnicastAddresses)
            {
                if (address.Address.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)
                {
                    addresses.Add(address.Address.ToString());
                }
            }
        }

        return addresses;
    }
}
