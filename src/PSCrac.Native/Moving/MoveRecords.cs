using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Paging;
using PSCrac.Procfs;
using PSCrac.Staging;

namespace PSCrac.Moving;

/// <summary>How far the far side has come.</summary>
internal enum MoveFarState
{
    /// <summary>Everything is restored; GO has not come, or what followed it is not known.</summary>
    Ready = 0,

    /// <summary>The process has run there.</summary>
    Resumed,

    /// <summary>It has not, and will not.</summary>
    NotResumed,
}

/// <summary>What the far side keeps of a move, from READY on.</summary>
internal sealed record MoveFarRecord
{
    /// <summary>How far it has come.</summary>
    public required MoveFarState State { get; init; }

    /// <summary>The command line.</summary>
    public required string Command { get; init; }

    /// <summary>When the record was made.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>The answer to the near side, once the process runs.</summary>
    public MoveResumed? Resumed { get; init; }

    /// <summary>The session that receives it; null in a record of an earlier version.</summary>
    public int? SessionId { get; init; }

    /// <summary>The session's start time, in clock ticks since boot (proc(5)).</summary>
    public ulong SessionStartTimeTicks { get; init; }
}

/// <summary>What the near side keeps of a process that it gives away, until it knows that the far side has it.</summary>
internal sealed record MoveNearRecord
{
    /// <summary>The move's id.</summary>
    public required string MoveId { get; init; }

    /// <summary>The other host, as it was given.</summary>
    public required string HostName { get; init; }

    /// <summary>The root's pid here.</summary>
    public required int ProcessId { get; init; }

    /// <summary>The processes of the tree when it was frozen, the root first.</summary>
    public required IReadOnlyList<ProcessIdentity> Tree { get; init; }

    /// <summary>The boot in which it ran.</summary>
    public required string BootId { get; init; }

    /// <summary>The command line.</summary>
    public required string Command { get; init; }

    /// <summary>The image, from which it can be restored here.</summary>
    public required string ImagePath { get; init; }

    /// <summary>Whether it was given away; until then it is only frozen.</summary>
    public required bool IsGiven { get; init; }

    /// <summary>When it was frozen.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>The session that moves it.</summary>
    public required int SessionId { get; init; }

    /// <summary>The session's start time, in clock ticks since boot (proc(5)).</summary>
    public required ulong SessionStartTimeTicks { get; init; }
}

/// <summary>
/// The records of moves, in a folder of PSCrac's state. What decides whether the far side resumes is a file that can be made only once: the
/// receiver makes it to resume, whoever settles the move makes it to forbid that.
/// </summary>
internal static class MoveRecords
{
    private const uint FolderMode = 0x1C0; // 0700
    private const uint FileMode = 0x180; // 0600
    private const int MaximumSize = 1 << 20;
    private const string Near = ".near.json";
    private const string Far = ".far.json";
    private const string Verdict = ".verdict";
    private const string Pages = ".pages";

    // Nobody settles a move after that, and a record is small.
    private static readonly TimeSpan KeptTime = TimeSpan.FromDays(30);

    private static ReadOnlySpan<byte> ResumeVerdict => "resume"u8;

    private static ReadOnlySpan<byte> EndVerdict => "end"u8;

    /// <summary>The folder of the records. It need not exist.</summary>
    internal static string Folder => Path.Combine(StateDirectory.Path, "moves");

    /// <summary>Writes the record of the near side; to the disk, if the process is given away.</summary>
    /// <exception cref="CracException">It cannot be written.</exception>
    internal static void Write(MoveNearRecord record) => Write(record.MoveId + Near, record, MoveJson.Default.MoveNearRecord, record.IsGiven);

    /// <summary>Writes the record of the far side to the disk.</summary>
    /// <exception cref="CracException">It cannot be written.</exception>
    internal static void Write(string moveId, MoveFarRecord record) => Write(moveId + Far, record, MoveJson.Default.MoveFarRecord, sync: true);

    /// <summary>Decides whether the far side resumes, unless that was decided before.</summary>
    /// <returns>Whether the decision is this one now.</returns>
    internal static bool TryDecide(string moveId, bool resumes)
    {
        using FolderHandle? folder = Open(out _);
        ReadOnlySpan<byte> verdict = resumes ? ResumeVerdict : EndVerdict;
        return folder is not null && SmallFile.Write(folder, moveId + Verdict, verdict, FileMode, replaces: false, sync: true) == 0;
    }

    /// <summary>What became of a move on the far side. One that waits for GO will not resume any more.</summary>
    internal static MoveSettlement Settle(string moveId)
    {
        if (!IsId(moveId) || ReadFar(moveId) is null)
        {
            return new MoveSettlement { Outcome = MoveOutcome.Unknown };
        }

        if (TryDecide(moveId, resumes: false) || HasVerdict(moveId, EndVerdict))
        {
            return new MoveSettlement { Outcome = MoveOutcome.NotResumed };
        }

        if (!HasVerdict(moveId, ResumeVerdict))
        {
            // The folder cannot be read or written any more.
            return new MoveSettlement { Outcome = MoveOutcome.Unknown };
        }

        // The receiver may be about to say so.
        SpinWait.SpinUntil(() => ReadFar(moveId) is not { State: MoveFarState.Ready }, MoveProtocol.SettlingLimit);
        return ReadFar(moveId) switch
        {
            { State: MoveFarState.Resumed } record => new MoveSettlement { Outcome = MoveOutcome.Resumed, Resumed = record.Resumed },
            { State: MoveFarState.NotResumed } => new MoveSettlement { Outcome = MoveOutcome.NotResumed },
            _ => new MoveSettlement { Outcome = MoveOutcome.Unknown },
        };
    }

    /// <summary>The socket of a move's page daemon, in the folder of the records.</summary>
    /// <param name="moveId">The move.</param>
    /// <param name="prepared">A daemon that was started already; null for none.</param>
    /// <param name="silence">How long nothing may come before the tree is ended.</param>
    /// <param name="keepsImage">Whether the image is to be whole in the end.</param>
    /// <exception cref="CracException">It cannot be made.</exception>
    internal static PageSource CreatePages(string moveId, PageServer? prepared, TimeSpan silence, bool keepsImage)
    {
        FolderHandle? folder = Open(out Errno errno);
        return (folder is null ? null : PageSource.TryCreate(folder, moveId + Pages, prepared, silence, keepsImage, out errno)) ?? throw new CracException(
            CracReason.PermissionDenied,
            $"The socket for the memory of the moved process cannot be made in {Folder}: {LibC.Message(errno)}.",
            $"Make this folder writable, or name another with {StateDirectory.Variable}.");
    }

    /// <summary>Connects to the page daemon of a move; null where there is none any more.</summary>
    /// <param name="moveId">The move.</param>
    /// <param name="isCompleted">Whether it has ended with all pages in.</param>
    internal static SafeFileHandle? ConnectPages(string moveId, out bool isCompleted)
    {
        isCompleted = false;
        using FolderHandle? folder = IsId(moveId) ? FolderHandle.TryOpen(Folder, out _) : null;
        if (folder is null || !folder.BelongsTo(TrustedUsers.Read()))
        {
            return null;
        }

        SafeFileHandle connection = LibC.Connect(folder.Handle, moveId + Pages, out Errno errno);
        if (errno == 0)
        {
            return connection;
        }

        connection.Dispose();
        isCompleted = folder.Contains(moveId + Pages + PageOrders.CompletedSuffix);
        return null;
    }

    /// <summary>Removes what is kept of a move.</summary>
    internal static void Remove(string moveId)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(Folder, out _);
        foreach (string suffix in (ReadOnlySpan<string>)[Near, Far, Verdict, Pages, Pages + PageOrders.CompletedSuffix, Pages + PageOrders.LostSuffix])
        {
            folder?.Delete(moveId + suffix);
        }
    }

    /// <summary>The moves whose sessions were killed, and of whose processes nobody knows whether they run. Removes what is left of those that continue here, and old records.</summary>
    internal static IReadOnlyList<MoveUnsettled> ReadUnsettled()
    {
        var unsettled = new List<MoveUnsettled>();
        using FolderHandle? folder = FolderHandle.TryOpen(Folder, out _);
        if (folder is null || !folder.BelongsTo(TrustedUsers.Read()))
        {
            return unsettled;
        }

        foreach (string name in folder.ReadNames() ?? [])
        {
            if (name.EndsWith(Near, StringComparison.Ordinal) && Read(folder, name, MoveJson.Default.MoveNearRecord) is { } record && name == record.MoveId + Near)
            {
                if (record.BootId == BootId.Current && new ProcessIdentity(record.SessionId, record.SessionStartTimeTicks).IsRunning())
                {
                    continue;
                }

                IReadOnlyList<ProcessStatus> left = FindLeft(record);
                if (IsHere(record, left) || !CracImage.IsImageDirectory(record.ImagePath))
                {
                    StagingFolder.RemoveImage(record.ImagePath);
                    folder.Delete(name);
                }
                else
                {
                    unsettled.Add(new MoveUnsettled(record, [.. left.Select(static each => each.ProcessId)]));
                }
            }
            else if (name.EndsWith(Far, StringComparison.Ordinal) && Read(folder, name, MoveJson.Default.MoveFarRecord) is { } far && far.Since < DateTimeOffset.UtcNow - KeptTime)
            {
                Remove(name[..^Far.Length]);
            }
            else if (name.EndsWith(Pages, StringComparison.Ordinal) && File.GetLastWriteTimeUtc(Path.Combine(Folder, name)) < DateTime.UtcNow - KeptTime)
            {
                // Of a receiver that was killed before it had a record.
                Remove(name[..^Pages.Length]);
            }
        }

        return unsettled;
    }

    /// <summary>
    /// The processes that were received here by sessions that were killed when these had decided to let them run. Whether they ran is not known.
    /// They are given once, and removed: who settles such a move is told that it is unknown with a record or without.
    /// </summary>
    internal static IReadOnlyList<MoveFarRecord> TakeLost()
    {
        var lost = new List<MoveFarRecord>();
        using FolderHandle? folder = FolderHandle.TryOpen(Folder, out _);
        if (folder is null || !folder.BelongsTo(TrustedUsers.Read()))
        {
            return lost;
        }

        foreach (string name in folder.ReadNames() ?? [])
        {
            if (name.EndsWith(Far, StringComparison.Ordinal) && IsId(name[..^Far.Length])
                && Read(folder, name, MoveJson.Default.MoveFarRecord) is { State: MoveFarState.Ready, SessionId: { } session } record
                && HasVerdict(name[..^Far.Length], ResumeVerdict)
                && !new ProcessIdentity(session, record.SessionStartTimeTicks).IsRunning())
            {
                lost.Add(record);
                Remove(name[..^Far.Length]);
            }
        }

        return lost;
    }

    private static List<ProcessStatus> FindLeft(MoveNearRecord record)
    {
        var left = new List<ProcessStatus>();
        foreach (ProcessIdentity each in record.BootId == BootId.Current ? record.Tree : [])
        {
            if (ProcessStatus.TryRead(each.ProcessId) is { HasEnded: false, IsKilled: false } status && status.Identity == each)
            {
                left.Add(status);
            }
        }

        return left;
    }

    // A part of a tree that criu was killing was stopped, and is ended by the session's guard. Where the root runs, nothing was killed, and
    // the others have ended by themselves.
    private static bool IsHere(MoveNearRecord record, IReadOnlyList<ProcessStatus> left) =>
        left.Count > 0 && (!record.IsGiven || left.Count == record.Tree.Count || (left[0].Identity == record.Tree[0] && left[0].State != ProcessState.Stopped));

    private static MoveFarRecord? ReadFar(string moveId)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(Folder, out _);
        return folder is not null && folder.BelongsTo(TrustedUsers.Read()) ? Read(folder, moveId + Far, MoveJson.Default.MoveFarRecord) : null;
    }

    private static bool HasVerdict(string moveId, ReadOnlySpan<byte> verdict)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(Folder, out _);
        using SafeFileHandle? file = folder?.OpenToRead(moveId + Verdict, out _);
        return file is { IsInvalid: false } && SmallFile.Read(file, MaximumSize) is { } text && verdict.SequenceEqual(text);
    }

    /// <summary>Whether a text is the id of a move.</summary>
    internal static bool IsId(string moveId) => Guid.TryParseExact(moveId, "N", out _);

    private static FolderHandle? Open(out Errno errno)
    {
        FolderHandle? folder = FolderHandle.Make(Folder, FolderMode, out errno);
        if (folder is not null && !folder.BelongsTo(TrustedUsers.Read()))
        {
            folder.Dispose();
            errno = Errno.EPERM;
            return null;
        }

        return folder;
    }

    private static void Write<T>(string name, T record, JsonTypeInfo<T> type, bool sync)
    {
        using FolderHandle? folder = Open(out Errno errno);
        errno = folder is null ? errno : SmallFile.Write(folder, name, JsonSerializer.SerializeToUtf8Bytes(record, type), FileMode, replaces: true, sync);
        if (errno == 0 && sync)
        {
            errno = LibC.Sync(folder!.Handle);
        }

        if (errno != 0)
        {
            throw new CracException(
                errno == Errno.ENOSPC ? CracReason.NoSpace : CracReason.PermissionDenied,
                $"The record of the move cannot be written to {Folder}: {LibC.Message(errno)}.",
                $"Make this folder writable, or name another with {StateDirectory.Variable}.");
        }
    }

    private static T? Read<T>(FolderHandle folder, string name, JsonTypeInfo<T> type)
        where T : class
    {
        using SafeFileHandle file = folder.OpenToRead(name, out Errno errno);
        try
        {
            return errno == 0 && SmallFile.Read(file, MaximumSize) is { } text ? JsonSerializer.Deserialize(text, type) : null;
        }
        catch (Exception e) when (e is JsonException or IOException)
        {
            return null;
        }
    }
}
