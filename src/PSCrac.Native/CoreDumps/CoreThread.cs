using System.Buffers.Binary;
using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.CoreDumps;

/// <summary>A thread of a core: core-TID.img, arranged as the notes of a core have it.</summary>
internal sealed class CoreThread
{
    private const ulong NativeMode = 1;
    private const int SignalInfoSize = 128;

    private CoreThread(int threadId, CoreLayout layout)
    {
        ThreadId = threadId;
        Layout = layout;
        Registers = new byte[layout.RegistersSize];
        Floating = new byte[layout.FloatingSize];
    }

    /// <summary>The id of the thread in the image.</summary>
    internal int ThreadId { get; }

    internal CoreLayout Layout { get; }

    /// <summary>The general registers.</summary>
    internal byte[] Registers { get; }

    /// <summary>The floating-point registers.</summary>
    internal byte[] Floating { get; }

    /// <summary>x64: what xsave stores; empty if the image does not have it, and on other architectures.</summary>
    internal byte[] Extended { get; private set; } = [];

    /// <summary>arm64: the thread pointer; empty on other architectures.</summary>
    internal byte[] ThreadPointer { get; private set; } = [];

    /// <summary>The first pending signal (siginfo_t), of the thread or, for the main thread, of the process; empty if there is none.</summary>
    internal byte[] Signal { get; private set; } = [];

    /// <summary>The pending signals: bit 0 is signal 1.</summary>
    internal ulong PendingSignals { get; private set; }

    /// <summary>The blocked signals: bit 0 is signal 1.</summary>
    internal ulong BlockedSignals { get; private set; }

    /// <summary>The nice value.</summary>
    internal int Nice { get; private set; }

    internal uint UserId { get; private set; }

    internal uint GroupId { get; private set; }

    /// <summary>The name of the file of a thread.</summary>
    internal static string FileNameFor(int threadId) => $"core-{(uint)threadId}.img";

    /// <summary>Reads a thread.</summary>
    /// <param name="source">The image.</param>
    /// <param name="threadId">The thread's id.</param>
    /// <exception cref="CracException">The file is missing or damaged, or the thread is of an architecture that no core is made for (ResourceUnsupported).</exception>
    internal static CoreThread Read(ImageSource source, int threadId)
    {
        using ImageEntryReader entries = source.OpenEntries(FileNameFor(threadId), ImageType.Core);
        entries.MoveToFirst();
        ProtobufReader core = entries.Reader;
        uint march = core.MoveTo(Wire.CoreEntry.Mtype) ? core.ReadUInt32() : 0;
        if (CoreLayout.Find(march) is not { } layout)
        {
            throw Unsupported(source, threadId, $"is of architecture {march} of criu's, and cores are made for x64 and arm64");
        }

        var thread = new CoreThread(threadId, layout);
        thread.ReadCore(entries.Reader, source);
        return thread;
    }

    private void ReadCore(ProtobufReader core, ImageSource source)
    {
        while (core.MoveNext())
        {
            switch (core.Field)
            {
                case Wire.CoreEntry.Tc:
                    ReadTask(core.ReadMessage());
                    break;
                case Wire.CoreEntry.ThreadCore:
                    ReadThread(core.ReadMessage());
                    break;
                case int field when field == Layout.InfoField:
                    ReadRegisters(core.ReadMessage(), source);
                    break;
                default:
                    core.Skip();
                    break;
            }
        }

        core.RequireFields(1UL << Layout.InfoField);
    }

    private void ReadRegisters(ProtobufReader info, ImageSource source)
    {
        if (Layout.Info.Length > 0)
        {
            ThreadPointer = new byte[Layout.Info[0].End];
            RegisterRow.Copy(info, Layout.Info, ThreadPointer);
        }

        ProtobufReader xsave = default;
        while (info.MoveNext())
        {
            if (info.Field == Layout.RegistersField)
            {
                ProtobufReader registers = info.ReadMessage();
                RegisterRow.Copy(registers, Layout.Registers, Registers);
                if (Layout == CoreLayout.X64 && registers.MoveTo(Wire.UserX86RegsEntry.Mode) && registers.ReadUInt64() != NativeMode)
                {
                    throw Unsupported(source, ThreadId, "runs a 32-bit program, and cores are made for 64 bits");
                }
            }
            else if (info.Field == Layout.FloatingField)
            {
                ProtobufReader floating = info.ReadMessage();
                RegisterRow.Copy(floating, Layout.Floating, Floating);
                if (Layout == CoreLayout.X64 && floating.MoveTo(Wire.UserX86FpregsEntry.Xsave))
                {
                    xsave = floating.ReadMessage();
                }
            }
            else
            {
                info.Skip();
            }
        }

        Extended = xsave.IsAtEnd ? [] : ExtendedState.Create(xsave, Floating);
    }

    private void ReadTask(ProtobufReader task)
    {
        while (task.MoveNext())
        {
            switch (task.Field)
            {
                case Wire.TaskCoreEntry.BlkSigset:
                    BlockedSignals = task.ReadUInt64();
                    break;
                case Wire.TaskCoreEntry.SignalsS:
                    ReadSignals(task.ReadMessage());
                    break;
                default:
                    task.Skip();
                    break;
            }
        }
    }

    private void ReadThread(ProtobufReader thread)
    {
        while (thread.MoveNext())
        {
            switch (thread.Field)
            {
                case Wire.ThreadCoreEntry.SchedNice:
                    Nice = thread.ReadSInt32();
                    break;
                case Wire.ThreadCoreEntry.BlkSigset:
                    BlockedSignals = thread.ReadUInt64();
                    break;
                case Wire.ThreadCoreEntry.SignalsP:
                    ReadSignals(thread.ReadMessage());
                    break;
                case Wire.ThreadCoreEntry.Creds:
                    ReadCredentials(thread.ReadMessage());
                    break;
                default:
                    thread.Skip();
                    break;
            }
        }
    }

    private void ReadCredentials(ProtobufReader credentials)
    {
        while (credentials.MoveNext())
        {
            switch (credentials.Field)
            {
                case Wire.CredsEntry.Uid:
                    UserId = credentials.ReadUInt32();
                    break;
                case Wire.CredsEntry.Gid:
                    GroupId = credentials.ReadUInt32();
                    break;
                default:
                    credentials.Skip();
                    break;
            }
        }
    }

    private void ReadSignals(ProtobufReader queue)
    {
        const int MaximumSignal = 64;
        while (queue.MoveTo(Wire.SignalQueueEntry.Signals))
        {
            ProtobufReader entry = queue.ReadMessage();
            if (!entry.MoveTo(Wire.SiginfoEntry.Siginfo))
            {
                continue;
            }

            ReadOnlySpan<byte> signal = entry.ReadBytes();
            if (signal.Length == SignalInfoSize && BinaryPrimitives.ReadInt32LittleEndian(signal) is >= 1 and <= MaximumSignal and var number)
            {
                PendingSignals |= 1UL << (number - 1);
                Signal = Signal.Length == 0 ? signal.ToArray() : Signal;
            }
        }
    }

    private static CracException Unsupported(ImageSource source, int threadId, string what) => new(
        CracReason.ResourceUnsupported, $"No core can be made: thread {threadId} {what}.", "Restore the image, and attach the debugger to the process.") { ImagePath = source.Path };
}
