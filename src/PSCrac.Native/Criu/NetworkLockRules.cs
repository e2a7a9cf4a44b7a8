using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.PidNamespaces;

namespace PSCrac.Criu;

/// <summary>
/// The firewall rules by which criu blocks the packets of a frozen connection. A criu that was killed leaves them, and the
/// connection stays blocked. With nftables they are one table in the network namespace of the tree (criu/netfilter.c).
/// </summary>
internal static class NetworkLockRules
{
    private const int LogHead = 4096;

    // criu before 4.3 cuts "inet NAME" to 31 characters.
    private const int CutName = 26;
    private const int HeaderLength = 16;
    private const int FamilyHeaderLength = 4;

    // linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h.
    private const ushort NFNL_MSG_BATCH_BEGIN = 16;
    private const ushort NFNL_MSG_BATCH_END = 17;
    private const ushort NFNL_SUBSYS_NFTABLES = 10;
    private const ushort NFT_MSG_DELTABLE = 2;
    private const ushort NFTA_TABLE_NAME = 1;
    private const ushort NLM_F_REQUEST = 1;
    private const byte NFPROTO_INET = 1;

    private static ReadOnlySpan<byte> RunIdLine => "CRIU run id = "u8;

    /// <summary>
    /// Removes the table of a dump, if there is one yet. It needs what criu needed to create it, so a failure is not expected and not
    /// reported.
    /// </summary>
    /// <param name="rootProcessId">The root of the tree, in the caller's pid namespace: the table is in its network namespace.</param>
    /// <param name="innerProcessId">The root's pid in its own namespace: criu before 4.2 named the table after it.</param>
    /// <param name="folder">The folder of criu's log, which begins with the name that criu since 4.2 gives the table.</param>
    /// <param name="log">The name of the log.</param>
    internal static void Remove(int rootProcessId, int innerProcessId, FolderHandle folder, string log)
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{rootProcessId}/ns/net");
        using SafeFileHandle network = LibC.Open(path, LibC.O_RDONLY, out Errno errno);
        if (errno == 0)
        {
            Remove(network, innerProcessId, folder, log);
        }
    }

    /// <summary>Removes the table of a dump from a network namespace.</summary>
    /// <param name="network">The namespace (/proc/PID/ns/net).</param>
    /// <param name="innerProcessId">The root's pid in its own pid namespace.</param>
    /// <param name="folder">The folder of criu's log.</param>
    /// <param name="log">The name of the log.</param>
    internal static void Remove(SafeFileHandle network, int innerProcessId, FolderHandle folder, string log)
    {
        byte[] table = ReadTableName(innerProcessId, folder, log);
        NamespaceThread.Run(() => LibC.Enter(network, LibC.CLONE_NEWNET) == 0
            && (TryDelete(table) | (table.Length > CutName && TryDelete(table.AsSpan(0, CutName)))));
    }

    private static byte[] ReadTableName(int innerProcessId, FolderHandle folder, string log)
    {
        using SafeFileHandle file = folder.OpenToRead(log, out Errno errno);
        if (errno == 0)
        {
            byte[] buffer = new byte[LogHead];
            ReadOnlySpan<byte> head = buffer.AsSpan(0, RandomAccess.Read(file, buffer, 0));

            // A worker logs one at its start, and the one that it uses when it takes the request.
            int at = head.LastIndexOf(RunIdLine);
            int length = at < 0 ? -1 : head[(at + RunIdLine.Length)..].IndexOf((byte)'\n');
            if (length > 0)
            {
                return [.. "CRIU-"u8, .. head.Slice(at + RunIdLine.Length, length)];
            }
        }

        return Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"CRIU-{innerProcessId}"));
    }

    private static bool TryDelete(ReadOnlySpan<byte> table)
    {
        using SafeFileHandle netfilter = LibC.OpenNetfilter(out Errno errno);
        if (errno != 0)
        {
            return false;
        }

        const int Empty = HeaderLength + FamilyHeaderLength;
        int attribute = 4 + table.Length + 1;
        int deletion = Empty + ((attribute + 3) & ~3);
        Span<byte> batch = stackalloc byte[Empty + deletion + Empty];
        batch.Clear();
        Write(batch, Empty, NFNL_MSG_BATCH_BEGIN, family: 0, NFNL_SUBSYS_NFTABLES);
        Write(batch[Empty..], deletion, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELTABLE, NFPROTO_INET, resource: 0);
        Span<byte> name = batch[(Empty + Empty)..];
        MemoryMarshal.Write(name, (ushort)attribute);
        MemoryMarshal.Write(name[2..], NFTA_TABLE_NAME);
        table.CopyTo(name[4..]);
        Write(batch[(Empty + deletion)..], Empty, NFNL_MSG_BATCH_END, family: 0, NFNL_SUBSYS_NFTABLES);

        // The kernel commits the batch before send returns.
        return LibC.Send(netfilter, batch) == 0;
    }

    // A netlink header and a struct nfgenmsg.
    private static void Write(Span<byte> at, int length, ushort type, byte family, ushort resource)
    {
        MemoryMarshal.Write(at, length);
        MemoryMarshal.Write(at[4..], type);
        MemoryMarshal.Write(at[6..], NLM_F_REQUEST);
        at[HeaderLength] = family;
        BinaryPrimitives.WriteUInt16BigEndian(at[(HeaderLength + 2)..], resource);
    }
}
