using PSCrac.Moving;

namespace PSCrac;

/// <summary>A move to another host that was examined on both sides, and not begun.</summary>
public sealed class CracMovePlan
{
    internal CracMovePlan(MoveRequest request, string command, string remoteName, string imageName, IReadOnlyList<string> addresses, IReadOnlyList<CracFinding> findings)
    {
        ProcessId = request.ProcessId;
        Command = command;
        HostName = request.Host.HostName;
        RemoteName = remoteName;
        ImageName = imageName;
        Addresses = addresses;
        Findings = findings;
    }

    /// <summary>The root's pid here.</summary>
    public int ProcessId { get; }

    /// <summary>The command line, arguments separated by spaces.</summary>
    public string Command { get; }

    /// <summary>The other host, as it was given.</summary>
    public string HostName { get; }

    /// <summary>The name that the other host has for itself.</summary>
    public string RemoteName { get; }

    /// <summary>The name of the image under the other host's image root.</summary>
    public string ImageName { get; }

    /// <summary>The addresses of this side of the established TCP connections, which have to move along; empty if there are none.</summary>
    public IReadOnlyList<string> Addresses { get; }

    /// <summary>What was found on both sides, blockers first.</summary>
    public IReadOnlyList<CracFinding> Findings { get; }

    /// <inheritdoc/>
    public override string ToString() => $"{Command} ({ProcessId}) to {HostName}";
}
