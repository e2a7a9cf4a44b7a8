using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace PSCrac.Starting.Services;

/// <summary>
/// Tells systemd about the service (sd_notify(3)): datagrams to the socket that NOTIFY_SOCKET names. The main process is this one, not
/// the program: only of its own child systemd learns the exit code.
/// </summary>
internal sealed class ServiceNotifier : IDisposable
{
    private const string SocketVariable = "NOTIFY_SOCKET";
    private const string WatchdogVariable = "WATCHDOG_USEC";
    private const string WatchdogIdVariable = "WATCHDOG_PID";
    private readonly Socket? _socket;
    private readonly UnixDomainSocketEndPoint? _address;

    private ServiceNotifier(UnixDomainSocketEndPoint? address, TimeSpan? interval)
    {
        _address = address;
        _socket = address is null ? null : new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        WatchdogInterval = address is null ? null : interval;
    }

    /// <summary>The variables that are for this process, and not for the program.</summary>
    internal static IReadOnlyList<string> Variables { get; } = [SocketVariable, WatchdogVariable, WatchdogIdVariable];

    /// <summary>The time between <see cref="Live"/>: half of what systemd waits for. Null where it does not wait for any.</summary>
    internal TimeSpan? WatchdogInterval { get; }

    /// <summary>Creates the notifier of this process's environment, which tells nobody where systemd did not start it.</summary>
    internal static ServiceNotifier Create() =>
        new(ParseAddress(Environment.GetEnvironmentVariable(SocketVariable)), ParseInterval(Environment.GetEnvironmentVariable(WatchdogVariable), Environment.GetEnvironmentVariable(WatchdogIdVariable)));

    /// <summary>The service is ready.</summary>
    internal void Ready(string status) => Send(string.Create(CultureInfo.InvariantCulture, $"READY=1\nMAINPID={Environment.ProcessId}\nSTATUS={status}"));

    /// <summary>What the service does, for systemctl status.</summary>
    internal void Status(string status) => Send($"STATUS={status}");

    /// <summary>The service lives.</summary>
    internal void Live() => Send("WATCHDOG=1");

    /// <summary>The service ends.</summary>
    internal void Stopping() => Send("STOPPING=1");

    /// <inheritdoc/>
    public void Dispose() => _socket?.Dispose();

    // A first '@' stands for the null byte of an abstract name (unix(7)); a machine's socket has neither.
    private static UnixDomainSocketEndPoint? ParseAddress(string? name) =>
        string.IsNullOrEmpty(name) || name[0] is not ('/' or '@') ? null
        : new UnixDomainSocketEndPoint(name[0] == '@' ? '\0' + name[1..] : name);

    private static TimeSpan? ParseInterval(string? microseconds, string? processId) =>
        (processId is null || (int.TryParse(processId, NumberStyles.None, CultureInfo.InvariantCulture, out int id) && id == Environment.ProcessId))
        && long.TryParse(microseconds, NumberStyles.None, CultureInfo.InvariantCulture, out long time) && time > 0
            ? TimeSpan.FromMicroseconds(time / 2.0) : null;

    private void Send(string message)
    {
        try
        {
            _socket?.SendTo(Encoding.UTF8.GetBytes(message), _address!);
        }
        catch (SocketException)
        {
            // systemd is restarted, or is not there: the service goes on.
        }
    }
}
