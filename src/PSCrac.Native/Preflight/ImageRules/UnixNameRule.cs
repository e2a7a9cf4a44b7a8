using System.Net.Sockets;
using PSCrac.Common;
using PSCrac.Images.Format;
using PSCrac.Images.Model;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ImageRules;

/// <summary>
/// The names of unix sockets. criu removes the file of a socket that it binds, whoever has bound it since, and connects a datagram
/// socket to a name outside the tree that somebody must have (criu's sk-unix.c).
/// </summary>
internal sealed class UnixNameRule : ImageRule
{
    private const ulong External = 1; // USK_EXTERN

    internal override void Examine(ImageSubject subject)
    {
        foreach ((CracImageSocket socket, SocketEntry holder) in FindTaken(subject.Image))
        {
            Report(subject, socket, holder);
        }

        if (!subject.HoldsNamespace("mnt") && !subject.HoldsNamespace("net"))
        {
            ExaminePeers(subject);
        }
    }

    /// <summary>The sockets of an image whose names others have here, and who has them.</summary>
    internal static IEnumerable<(CracImageSocket Socket, SocketEntry Holder)> FindTaken(CracImage image)
    {
        BoundUnixSockets? bound = null;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        bool ownsPaths = HasOwn(image, "mnt"), ownsNames = HasOwn(image, "net");
        foreach (CracImageSocket socket in image.Sockets)
        {
            if (socket is not { Family: CracSocketFamily.Unix, Local.Length: > 1 } || !IsBound(socket) || (socket.Local[0] == '/' ? ownsPaths : ownsNames) || !seen.Add(socket.Local))
            {
                continue;
            }

            bound ??= BoundUnixSockets.Read();
            if (bound.Find(socket.Local) is { } holder)
            {
                yield return (socket, holder);
            }
        }
    }

    // An accepted connection has its listener's name, and criu does not bind it; one whose file was removed does not get it again.
    private static bool IsBound(CracImageSocket socket) =>
        (socket.Type == "dgram" || socket.State is CracSocketState.Listening or CracSocketState.Closed)
        && socket.Details.GetFlag("deleted") != true && (socket.Details.GetNumber("uflags") & External) == 0;

    private static bool HasOwn(CracImage image, string kind)
    {
        foreach (CracImageNamespace each in image.Namespaces)
        {
            if (each.Kind == kind && !each.IsHost)
            {
                return true;
            }
        }

        return false;
    }

    private static void Report(ImageSubject subject, CracImageSocket socket, SocketEntry holder)
    {
        (string Name, int ProcessId)? owner = SocketOwner.Find(holder.Inode);
        string taken = owner is var (name, id) ? $"taken by {name} ({id})" : "taken";
        string end = owner is null ? "End the process that has it, which ss -xlp shows to root" : $"End that process (Stop-Process -Id {owner.Value.ProcessId})";
        string what = $"unix socket {socket.Local}: {taken}";
        var cause = new FindingCause("names of unix sockets", socket.Local, taken) { NamesProcess = false };
        if (socket.Local[0] != '/')
        {
            subject.Block(
                socket.ProcessId,
                what,
                CracReason.AddressUnavailable,
                "Another process has the abstract name that the restored process will bind.",
                $"{end}, or {SocketAddressRule.RestoreInOwnNetwork}",
                cause);
        }
        else if (subject.Options.NewPidNamespace)
        {
            subject.Warn(
                socket.ProcessId,
                what,
                CracReason.AddressUnavailable,
                "Another process has bound the socket's path and keeps it: the restored socket has no path, and nobody can connect to it.",
                null,
                cause);
        }
        else
        {
            subject.Block(
                socket.ProcessId,
                what,
                CracReason.AddressUnavailable,
                "Another process has bound the socket's path, and CRIU would remove its socket.",
                $"{end}, or restore a copy whose socket has no path: -PidNamespace New",
                cause);
        }
    }

    private static void ExaminePeers(ImageSubject subject)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (CracImageSocket socket in subject.Image.Sockets)
        {
            if (socket is { Family: CracSocketFamily.Unix, Type: "dgram" }
                && subject.Image.OpenFiles.FindUnixSocket(socket.Details.GetNumber("peer")) is { } peer && (peer.GetNumber("uflags") & External) != 0
                && OpenFileTable.FormatUnixName(peer) is { Length: > 1 } name && seen.Add(name) && !CanConnect(name))
            {
                subject.Block(
                    socket.ProcessId,
                    $"descriptor {socket.Descriptor}: unix socket connected to {name}",
                    CracReason.UnixSocketExternal,
                    "No socket has this name here, and the restore has to connect to it.",
                    "Start the program that listens there before the restore.",
                    new("names that unix sockets were connected to", name, $"descriptor {socket.Descriptor}")
                    {
                        Why = "No sockets have these names here, and the restore has to connect to them.",
                        Action = static _ => "Start the programs that listen there before the restore.",
                    });
            }
        }
    }

    // A datagram socket that connects is not noticed by the other one. It may be in another network namespace, of which no list tells.
    private static bool CanConnect(string name)
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(name.StartsWith('@') ? "\0" + name[1..] : name));
            return true;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionRefused or SocketError.AddressNotAvailable or SocketError.ProtocolType or SocketError.SocketError)
        {
            return false;
        }
        catch (SocketException)
        {
            // Such as a path that this user may not use: criu finds out.
            return true;
        }
    }
}
