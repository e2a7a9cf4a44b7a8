using System.Globalization;

namespace PSCrac.Moving;

/// <summary>The other host of a move, as the caller gives it for ssh.</summary>
internal sealed record MoveHost
{
    /// <summary>Its name, address, or alias in ssh_config(5).</summary>
    public required string HostName { get; init; }

    /// <summary>The user there; null for what ssh's configuration says.</summary>
    public string? UserName { get; init; }

    /// <summary>The port; null for what ssh's configuration says.</summary>
    public int? Port { get; init; }

    /// <summary>The full path of a private key; null for what ssh's configuration and the agent have.</summary>
    public string? KeyFilePath { get; init; }

    /// <summary>How long connecting may take.</summary>
    public TimeSpan ConnectingTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>ssh and the host as a user types them.</summary>
    internal string Example => "ssh"
        + (Port is { } port ? string.Create(CultureInfo.InvariantCulture, $" -p {port}") : "")
        + (KeyFilePath is { } key ? $" -i '{key}'" : "")
        + $" {(UserName is { } user ? user + "@" : "")}{HostName}";

    /// <summary>ssh's arguments up to the command.</summary>
    /// <param name="asks">Whether it may ask at the terminal.</param>
    internal List<string> Arguments(bool asks)
    {
        // A link that is silent for so long has ended.
        List<string> arguments =
        [
            "-T", "-x", "-e", "none", "-o", "ClearAllForwardings=yes", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3",
            "-o", string.Create(CultureInfo.InvariantCulture, $"ConnectTimeout={Math.Max(1, (int)ConnectingTimeout.TotalSeconds)}"),
        ];
        if (!asks)
        {
            arguments.AddRange(["-o", "BatchMode=yes"]);
        }

        if (Port is { } port)
        {
            arguments.AddRange(["-p", port.ToString(CultureInfo.InvariantCulture)]);
        }

        if (UserName is { } user)
        {
            arguments.AddRange(["-l", user]);
        }

        if (KeyFilePath is { } key)
        {
            arguments.AddRange(["-i", key]);
        }

        arguments.AddRange(["--", HostName]);
        return arguments;
    }

    /// <inheritdoc/>
    public override string ToString() => HostName;
}
