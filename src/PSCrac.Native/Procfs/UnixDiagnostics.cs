using System.Runtime.InteropServices;
using System.Text;

namespace PSCrac.Procfs;

/// <summary>
/// Lists unix sockets with their peers, which no proc file shows:
/// the structures of include/uapi/linux/unix_diag.h.
/// </summary>
internal static class UnixDiagnostics
{
    private const byte UnixFamily = 1;
    private const uint ShowNameFilePeerPendingAndQueues = 0x1 | 0x2 | 0x4 | 0x8 | 0x10;
    private const int RequestLength = SocketDiagnostics.HeaderLength + 24;
    private const int MessageLength = 16;

    private const ushort NameAttribute = 0;
    private const ushort FileAttribute = 1;
    private const ushort PeerAttribute = 2;
    private const ushort PendingAttribute = 3;
    private const ushort QueueAttribute = 4;
    private const ushort ShutdownAttribute = 6;

    /// <summary>Adds all unix sockets of the calling thread's network namespace. False if the kernel does not support it.</summary>
    internal static bool TryCollect(Dictionary<ulong, SocketEntry> sockets)
    {
        Span<byte> request = stackalloc byte[RequestLength];
        request.Clear();
        request[SocketDiagnostics.HeaderLength] = UnixFamily;
        MemoryMarshal.Write(request[(SocketDiagnostics.HeaderLength + 4)..], uint.MaxValue);
        MemoryMarshal.Write(request[(SocketDiagnostics.HeaderLength + 12)..], ShowNameFilePeerPendingAndQueues);
        return SocketDiagnostics.TryList(request, Add, sockets);
    }

    private static void Add(ReadOnlySpan<byte> message, Dictionary<ulong, SocketEntry> sockets)
    {
        if (message.Length >= MessageLength)
        {
            SocketEntry entry = Parse(message);
            sockets[entry.Inode] = entry;
        }
    }

    private static SocketEntry Parse(ReadOnlySpan<byte> message)
    {
        byte type = message[1];
        byte state = message[2];
        uint inode = MemoryMarshal.Read<uint>(message[4..]);
        string? name = null;
        uint peer = 0, receiveQueue = 0, sendQueue = 0, file = 0, device = 0;
        int shutdown = 0;
        ulong[] pending = [];
        ReadOnlySpan<byte> attributes = message[MessageLength..];
        while (attributes.Length >= 4)
        {
            int size = MemoryMarshal.Read<ushort>(attributes);
            ushort kind = MemoryMarshal.Read<ushort>(attributes[2..]);
            if (size < 4 || size > attributes.Length)
            {
                break;
            }

            ReadOnlySpan<byte> value = attributes[4..size];
            switch (kind)
            {
                case NameAttribute:
                    name = NameOf(value);
                    break;
                case FileAttribute when value.Length >= 8:
                    file = MemoryMarshal.Read<uint>(value);
                    device = MemoryMarshal.Read<uint>(value[4..]);
                    break;
                case PeerAttribute when value.Length >= 4:
                    peer = MemoryMarshal.Read<uint>(value);
                    break;
                case PendingAttribute:
                    pending = ReadInodes(value);
                    break;
                case ShutdownAttribute when value.Length >= 1:
                    shutdown = value[0];
                    break;
                case QueueAttribute when value.Length >= 8:
                    receiveQueue = MemoryMarshal.Read<uint>(value);
                    sendQueue = MemoryMarshal.Read<uint>(value[4..]);
                    break;
            }

            attributes = attributes[Math.Min(SocketDiagnostics.Align(size), attributes.Length)..];
        }

        return new SocketEntry
        {
            Inode = inode,
            Protocol = SocketProtocol.Unix,
            State = (CracSocketState)state,
            UnixType = (UnixSocketType)type,
            UnixName = name,
            FileInode = file,
            FileDevice = new DeviceNumber(device >> 20, device & 0xfffff), // the kernel's internal dev_t
            PeerInode = peer,
            PendingConnections = pending,
            Shutdown = shutdown,
            ReceiveQueue = receiveQueue,
            SendQueue = sendQueue,
        };
    }

    private static ulong[] ReadInodes(ReadOnlySpan<byte> value)
    {
        ulong[] inodes = new ulong[value.Length / 4];
        for (int i = 0; i < inodes.Length; i++)
        {
            inodes[i] = MemoryMarshal.Read<uint>(value[(i * 4)..]);
        }

        return inodes;
    }

    private static string? NameOf(ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
        {
            return null;
        }

        // An abstract name begins with a null byte and may contain more; they are shown as in ss(8).
        return value[0] == 0
            ? "@" + Encoding.UTF8.GetString(value[1..]).TrimEnd('\0').Replace('\0', '@')
            : Encoding.UTF8.GetString(value).TrimEnd('\0');
    }
}
