using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Paging;

/// <summary>
/// The page daemon's guard, a process of its own: it holds copies of the userfaultfds. When the daemon ends before all pages are in, threads
/// that wait for a page go on waiting, where without the copies they would read zeros; the guard kills the tree, and only then closes them.
/// </summary>
internal static class PageGuard
{
    /// <summary>All pages are in: the guard ends.</summary>
    internal const byte Released = (byte)'D';

    /// <summary>A userfaultfd comes along.</summary>
    internal const byte Faults = (byte)'U';

    /// <summary>Processes of the tree follow: pid and start time of each, 12 bytes in little endian.</summary>
    internal const byte Tree = (byte)'T';

    private const int IdentitySize = 12;
    private const int MaximumMessage = 1 << 16;

    /// <summary>The most processes that a message has.</summary>
    internal const int MaximumIdentities = (MaximumMessage - 1) / IdentitySize;

    /// <summary>Runs the guard.</summary>
    /// <param name="daemon">The socket whose other end the daemon has.</param>
    internal static void Run(SafeFileHandle daemon)
    {
        var held = new List<SafeFileHandle>();
        var tree = new List<ProcessIdentity>();
        byte[] message = new byte[MaximumMessage];
        int length;
        while ((length = LibC.ReceiveDescriptors(daemon, message, held)) > 0)
        {
            switch (message[0])
            {
                case Released:
                    LibC.Exit(0);
                    return;
                case Tree:
                    tree.AddRange(ReadTree(message.AsSpan(1, length - 1)));
                    break;
            }
        }

        Kill(tree);
        GC.KeepAlive(held);
        LibC.Exit(1);
    }

    /// <summary>A message with processes of the tree.</summary>
    internal static byte[] WriteTree(IReadOnlyList<ProcessIdentity> tree)
    {
        byte[] message = new byte[1 + (tree.Count * IdentitySize)];
        message[0] = Tree;
        for (int i = 0; i < tree.Count; i++)
        {
            Span<byte> at = message.AsSpan(1 + (i * IdentitySize));
            BinaryPrimitives.WriteInt32LittleEndian(at, tree[i].ProcessId);
            BinaryPrimitives.WriteUInt64LittleEndian(at[4..], tree[i].StartTimeTicks);
        }

        return message;
    }

    /// <summary>The processes of such a message, without its first byte.</summary>
    internal static List<ProcessIdentity> ReadTree(ReadOnlySpan<byte> content)
    {
        var tree = new List<ProcessIdentity>();
        for (; content.Length >= IdentitySize; content = content[IdentitySize..])
        {
            tree.Add(new ProcessIdentity(BinaryPrimitives.ReadInt32LittleEndian(content), BinaryPrimitives.ReadUInt64LittleEndian(content[4..])));
        }

        return tree;
    }

    /// <summary>Kills processes and all their descendants, and waits until they have ended.</summary>
    internal static void Kill(IReadOnlyList<ProcessIdentity> tree)
    {
        const int EndMilliseconds = 5000;
        var ending = new List<SafeFileHandle>();
        bool hasMore = true;

        // What is killed does not fork any more, but may have done so just before.
        for (int round = 0; hasMore && round < 8; round++)
        {
            hasMore = false;
            foreach (ProcessIdentity each in FindAll(tree))
            {
                SafeFileHandle pidFd = LibC.OpenPidFd(each.ProcessId, out Errno errno);
                if (errno != 0 || !each.IsRunning())
                {
                    pidFd.Dispose();
                    continue;
                }

                hasMore = true;
                LibC.Signal(pidFd, LibC.SIGKILL);
                ending.Add(pidFd);
            }
        }

        foreach (SafeFileHandle pidFd in ending)
        {
            LibC.WaitReadable(pidFd, EndMilliseconds);
            pidFd.Dispose();
        }
    }

    /// <summary>Processes and their descendants now.</summary>
    internal static HashSet<ProcessIdentity> FindAll(IReadOnlyList<ProcessIdentity> tree)
    {
        var all = new HashSet<ProcessIdentity>(tree);
        foreach (ProcessIdentity each in tree)
        {
            try
            {
                if (each.IsRunning())
                {
                    all.UnionWith(ProcessTree.Read(each.ProcessId).Members.Select(static member => member.Status.Identity));
                }
            }
            catch (CracException)
            {
                // It has ended.
            }
        }

        return all;
    }
}
