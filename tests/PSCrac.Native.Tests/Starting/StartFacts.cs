using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace PSCrac.Tests.Starting;

/// <summary>A test that needs root. Without it the test is skipped, and its name says why.</summary>
public sealed class RootFactAttribute : FactAttribute
{
    /// <summary>Asks who runs the test.</summary>
    public RootFactAttribute()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            Skip = "needs root";
            DisplayName = $"(skipped: {Skip})";
        }
    }
}

/// <summary>Ports of the loopback address that nobody listens on.</summary>
internal static class FreePort
{
    internal static int Next()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

/// <summary>A file that is open without close-on-exec, which .NET never does.</summary>
internal sealed class Inheritable : IDisposable
{
    private const int F_SETFD = 2;
    private readonly SafeFileHandle _file;

    internal Inheritable(string path)
    {
        _file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
        Assert.Equal(0, SetFlags((int)_file.DangerousGetHandle(), F_SETFD, 0));
    }

    public void Dispose() => _file.Dispose();

    [DllImport("libc", EntryPoint = "fcntl")]
    private static extern int SetFlags(int descriptor, int command, int argument);
}
