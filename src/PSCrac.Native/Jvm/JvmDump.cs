using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Jvm;

/// <summary>
/// From the command to the finished image. A JVM's answer alone does not tell how it went: newer builds answer before
/// criu starts, older ones always with success. What tells is that the JVM ends, what is in the image's directory, and what
/// the JVM writes to its console.
/// </summary>
internal sealed class JvmDump
{
    private const string Finished = "Dumping finished successfully";
    private static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(20);

    private static readonly TimeSpan SearchInterval = TimeSpan.FromMilliseconds(150);
    private static readonly TimeSpan QuietLog = TimeSpan.FromSeconds(2);

    // From the complete image until the tree is killed, criu has ended, and an engine has written cppath.
    private static readonly TimeSpan Aftermath = TimeSpan.FromSeconds(5);

    private readonly JvmProcess _jvm;
    private readonly JvmImageDirectory _directory;
    private readonly JvmConsole _console;
    private readonly SafeFileHandle _pidFd;
    private readonly EngineCriu _criu;
    private readonly JvmDumpFailure _failure;
    private long _lookedAt;
    private bool _hasSeenCriu;
    private int _absences;

    private JvmDump(JvmProcess jvm, JvmImageDirectory directory, JvmConsole console, SafeFileHandle pidFd)
    {
        _jvm = jvm;
        _criu = EngineCriu.Of(jvm);
        _failure = new JvmDumpFailure(jvm, directory, console);
        _directory = directory;
        _console = console;
        _pidFd = pidFd;
    }

    /// <summary>Whether the JVM went on.</summary>
    internal bool LeftRunning { get; private set; }

    /// <summary>The version of the JVM's criu; null where its log does not tell.</summary>
    internal string? CriuVersion { get; private set; }

    /// <summary>Has the JVM checkpoint itself and waits until the image is complete.</summary>
    /// <param name="jvm">The JVM.</param>
    /// <param name="attachment">The way to it.</param>
    /// <param name="directory">Where it writes to, with no image in it.</param>
    /// <param name="patience">How long to wait for a sign of criu.</param>
    /// <param name="written">Told how many bytes of memory pages are written, in between.</param>
    /// <param name="cancellation">Ends the wait as long as there is no sign of criu.</param>
    internal static JvmDump Run(
        JvmProcess jvm, JvmAttachment attachment, JvmImageDirectory directory, TimeSpan patience, Action<long> written, CancellationToken cancellation)
    {
        using JvmConsole console = JvmConsole.Watch(jvm.ProcessId);
        using SafeFileHandle pidFd = LibC.OpenPidFd(jvm.ProcessId, out Errno errno);
        if (errno != 0 || !jvm.Identity.HoldsItsPid())
        {
            throw ProcessTree.NotFound(jvm.ProcessId);
        }

        var dump = new JvmDump(jvm, directory, console, pidFd);
        using var answering = CancellationTokenSource.CreateLinkedTokenSource(cancellation);

        // The answer may come first or last, or not at all where criu ends the JVM before it is sent.
        Task<JvmReply?> answer = Task.Factory.StartNew(() => RequestDump(attachment, patience, answering.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            dump.Await(answer, patience, written, cancellation);
            return dump;
        }
        finally
        {
            answering.Cancel();
            answer.ContinueWith(static _ => { }, TaskScheduler.Default).Wait(CancellationToken.None);
        }
    }

    private static JvmReply? RequestDump(JvmAttachment attachment, TimeSpan patience, CancellationToken cancellation)
    {
        try
        {
            return attachment.Jcmd("JDK.checkpoint", patience, cancellation);
        }
        catch (CracException e) when (e.Reason is CracReason.ProcessGone)
        {
            return null;
        }
    }

    private void Await(Task<JvmReply?> answer, TimeSpan patience, Action<long> written, CancellationToken cancellation)
    {
        long lastSign = Stopwatch.GetTimestamp();
        long finished = 0;
        long size = 0;
        bool answered = false;
        while (true)
        {
            bool ended = LibC.WaitReadable(_pidFd, (int)Slice.TotalMilliseconds);
            string? log = ReadLogTail(out bool begun);
            if (ended)
            {
                RequireImage();
                return;
            }

            if (IsWritten(log))
            {
                // Killed by criu, or left running: a moment later it is known which.
                finished = finished == 0 ? Stopwatch.GetTimestamp() : finished;
                if (_jvm.KeepsRunning || Stopwatch.GetElapsedTime(finished) > Aftermath)
                {
                    LeftRunning = true;
                    RequireImage();
                    return;
                }
            }
            else if (log?.Contains("Dumping FAILED", StringComparison.Ordinal) == true || HasCriuEnded(begun || answered))
            {
                // What criu did last is looked at once more: it may have ended well in the meantime.
                if (LibC.WaitReadable(_pidFd, 0) || IsWritten(ReadLogTail(out _)))
                {
                    continue;
                }

                throw _failure.CriuEnded();
            }
            else if (begun && WrittenBytes() is var bytes && bytes != size)
            {
                size = bytes;
                lastSign = Stopwatch.GetTimestamp();
                written(bytes);
            }

            if (!answered && answer.IsCompleted)
            {
                answered = true;
                Judge(answer);
            }

            if (_console.ReadNew() is var text && (JvmRefusal.IsIn(text) || JvmRefusal.IsEngineFailure(text)))
            {
                throw _failure.FromText(null);
            }

            if (!begun && cancellation.IsCancellationRequested && !_criu.IsRunning())
            {
                cancellation.ThrowIfCancellationRequested();
            }

            if (finished == 0 && Stopwatch.GetElapsedTime(lastSign) > patience)
            {
                throw _failure.NoSign(patience, _criu.IsRunning());
            }
        }
    }

    // criu traces the JVM until all is written, and writes the inventory last. Its log may have another name, or no such line
    // (CRAC_CRIU_OPTS, or the engine's option args).
    private bool IsWritten(string? log) =>
        log?.Contains(Finished, StringComparison.Ordinal) == true
        || (HasInventory() && ProcessStatus.TryRead(_jvm.ProcessId) is { HasEnded: false, TracerProcessId: 0 } status && status.Identity == _jvm.Identity);

    private bool HasInventory()
    {
        using FolderHandle? image = _directory.TryOpen();
        return image is not null && JvmImage.HasInventory(image);
    }

    private void Judge(Task<JvmReply?> answer)
    {
        // A failure to ask at all is the failure; an answer of success tells nothing yet.
        JvmReply? reply = answer.GetAwaiter().GetResult();
        if (reply is null)
        {
            return;
        }

        if (JvmRefusal.IsIn(reply.Text))
        {
            throw _failure.FromText(reply.Text);
        }

        if (!reply.IsSuccess || reply.Text.Contains("Unknown diagnostic command", StringComparison.Ordinal))
        {
            bool unknown = reply.Text.Contains("Unknown diagnostic command", StringComparison.Ordinal);
            throw new CracException(
                unknown ? CracReason.JvmNotCapable : CracReason.JvmRefused,
                unknown ? $"The JVM {_jvm.ProcessId} does not know the command JDK.checkpoint." : $"The JVM {_jvm.ProcessId} did not checkpoint itself: {JvmDumpFailure.Lines(reply.Text).FirstOrDefault() ?? "it gave no reason"}",
                unknown ? "Use -Engine Criu; or start it with a CRaC build of OpenJDK." : "Read the JVM's console.")
            {
                CriuLines = JvmDumpFailure.Lines(reply.Text),
            };
        }
    }

    // The image alone tells whether it is complete: criu kills the tree only after the whole of it is written.
    private void RequireImage()
    {
        AwaitCriuEnd();
        using FolderHandle? image = _directory.TryOpen();
        if (image is null || !JvmImage.IsComplete(image, out string? missing))
        {
            throw _failure.WithoutImage(image is not null);
        }

        // An engine that is a program of its own writes cppath after criu has ended; its restore needs it.
        long start = Stopwatch.GetTimestamp();
        while (_jvm.Runtime is { WritesImagePath: true } && !JvmImage.HasContent(image, JvmImageDirectory.OriginalPathName))
        {
            if (Stopwatch.GetElapsedTime(start) > Aftermath)
            {
                // The engine was ended too: a session leader that ends takes the processes of its terminal with it.
                _directory.WriteOriginalPath(image);
                break;
            }

            Thread.Sleep(Slice);
        }

        CriuVersion = DumpLog.FindVersion(new DirectoryImageSource(image));
    }

    // criu kills the tree first and writes its statistics and the end of its log afterwards.
    private void AwaitCriuEnd()
    {
        long start = Stopwatch.GetTimestamp();
        while (_criu.IsRunning() && Stopwatch.GetElapsedTime(start) < Aftermath)
        {
            Thread.Sleep(Slice);
        }
    }

    // The log's last lines; null without a log. The directory had none before, so what is there is this run's.
    private string? ReadLogTail(out bool begun)
    {
        const int Tail = 4096;
        begun = false;
        using FolderHandle? image = _directory.TryOpen();
        using SafeFileHandle? file = image?.OpenToRead(JvmImageDirectory.LogName, out _);
        if (file is null or { IsInvalid: true })
        {
            return null;
        }

        begun = true;
        using FileStream log = new(file, FileAccess.Read);
        log.Seek(-Math.Min(Tail, log.Length), SeekOrigin.End);
        using var reader = new StreamReader(log);
        return reader.ReadToEnd();
    }

    private long WrittenBytes()
    {
        using FolderHandle? image = _directory.TryOpen();
        return image is null ? 0 : new DirectoryImageSource(image).Files.Where(static file => ImageFileName.IsPages(file.Name)).Sum(static file => file.Length);
    }

    // criu can end before it gets to say that the dump failed, and its log can be elsewhere. Seen running and then gone, twice in
    // a row, it has ended.
    private bool HasCriuEnded(bool isExpected)
    {
        if (!isExpected || Stopwatch.GetElapsedTime(_lookedAt) < SearchInterval)
        {
            return false;
        }

        _lookedAt = Stopwatch.GetTimestamp();
        bool runs = _criu.IsRunning();
        _hasSeenCriu |= runs;
        _absences = runs || !(_hasSeenCriu || HasStoppedAtError()) ? 0 : _absences + 1;
        return _absences > 1;
    }

    // A criu that was never seen ended early, or proc hides it. It logs errors from which it recovers, too, and goes on logging.
    private bool HasStoppedAtError()
    {
        using FolderHandle? image = _directory.TryOpen();
        using SafeFileHandle? log = image?.OpenToRead(JvmImageDirectory.LogName, out _);
        return log is { IsInvalid: false } && DateTime.UtcNow - File.GetLastWriteTimeUtc(log) > QuietLog
            && ReadLogTail(out _)?.Contains("Error (", StringComparison.Ordinal) == true;
    }
}
