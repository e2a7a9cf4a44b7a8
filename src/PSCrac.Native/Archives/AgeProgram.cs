using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Criu;
using PSCrac.Interop;

namespace PSCrac.Archives;

/// <summary>
/// One run of age(1), which encrypts what is written to <see cref="Stream"/>, or whose plaintext is read from there. The plaintext may be
/// used only after <see cref="Complete"/>: age writes parts of it before it knows that the end is missing or was changed. It runs in a
/// session of its own, where it cannot ask for a passphrase.
/// </summary>
internal sealed class AgeProgram : IDisposable
{
    private const string Program = "age";
    private const int LowestSource = 200;
    private const int MaximumMessage = 4096;
    private readonly SafeFileHandle _pidFd;
    private readonly SafeFileHandle _messages;
    private readonly CancellationTokenRegistration _cancellation;
    private readonly bool _isEncryption;
    private bool _hasEnded;
    private (int Code, bool Exited) _end;

    private AgeProgram(SafeFileHandle pidFd, SafeFileHandle messages, FileStream stream, bool isEncryption, CancellationToken cancellation)
    {
        _pidFd = pidFd;
        _messages = messages;
        Stream = stream;
        _isEncryption = isEncryption;
        _cancellation = cancellation.Register(Kill);
    }

    /// <summary>The plaintext: to write to, or to read from.</summary>
    internal FileStream Stream { get; }

    /// <summary>Begins an encryption.</summary>
    /// <param name="recipients">The recipients.</param>
    /// <param name="output">The file that age writes to.</param>
    /// <param name="cancellation">Ends age.</param>
    /// <exception cref="CracException"><see cref="CracReason.ProgramMissing"/>: age is not installed, or cannot be started.</exception>
    internal static AgeProgram Encrypt(AgeRecipients recipients, SafeFileHandle output, CancellationToken cancellation)
    {
        Require(LibC.CreatePipe(out SafeFileHandle read, out SafeFileHandle write));
        using (read)
        {
            return Start([Program, "--encrypt", .. recipients.Keys.SelectMany(static key => (string[])["--recipient", key])], read, output, write, isEncryption: true, cancellation);
        }
    }

    /// <summary>Begins a decryption.</summary>
    /// <param name="identities">The full paths of files with identities: of age-keygen, or SSH private keys.</param>
    /// <param name="input">The encrypted file, at its beginning.</param>
    /// <param name="cancellation">Ends age.</param>
    /// <exception cref="CracException"><see cref="CracReason.ProgramMissing"/>: age is not installed, or cannot be started.</exception>
    internal static AgeProgram Decrypt(IEnumerable<string> identities, SafeFileHandle input, CancellationToken cancellation)
    {
        Require(LibC.CreatePipe(out SafeFileHandle read, out SafeFileHandle write));
        using (write)
        {
            return Start([Program, "--decrypt", .. identities.SelectMany(static path => (string[])["--identity", path])], input, write, read, isEncryption: false, cancellation);
        }
    }

    /// <summary>Waits until age has ended.</summary>
    /// <exception cref="CracException">It has failed: the plaintext must not be used, or the archive is not complete.</exception>
    internal void Complete()
    {
        Stream.Dispose();
        Wait();
        if (_end is not (0, true))
        {
            throw Failure(null);
        }
    }

    /// <summary>The exception for a read or write that failed: what age says, if it has failed. Waits until it has ended.</summary>
    internal CracException Failure(Exception? cause)
    {
        Stream.Dispose();
        Wait();
        string said = ReadMessages();
        bool isFull = said.Contains("no space left on device", StringComparison.OrdinalIgnoreCase);
        return _isEncryption
            ? new CracException(
                isFull ? CracReason.NoSpace : CracReason.SealFailed,
                $"age could not encrypt the archive: {said}",
                isFull ? "Free some space, or give -DestinationPath on another file system." : "Check the keys that -Recipient gives.",
                cause)
            : new CracException(
                CracReason.DecryptionFailed,
                $"age could not decrypt the archive: {said}",
                said.Contains("no identity matched", StringComparison.Ordinal) ? "Give -Identity a file with the secret key of one of the archive's recipients."
                : said.Contains("passphrase", StringComparison.OrdinalIgnoreCase) || said.Contains("/dev/tty", StringComparison.Ordinal)
                    ? "Give -Identity a file without a passphrase: age asks for none here. For an archive with a passphrase, run age -d first and import what it writes."
                    : "Copy the archive again, and check what -Identity names.",
                cause);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stream.Dispose();
        Kill();
        Wait();
        _cancellation.Dispose();
        _pidFd.Dispose();
        _messages.Dispose();
    }

    private static AgeProgram Start(
        IReadOnlyList<string> arguments, SafeFileHandle input, SafeFileHandle output, SafeFileHandle ours, bool isEncryption, CancellationToken cancellation)
    {
        string program = CriuPrograms.Find(Program)
            ?? throw new CracException(CracReason.ProgramMissing, "age, which encrypts and decrypts archives, is not installed.", CriuPrograms.DescribeInstallation(Program));
        SafeFileHandle messages = LibC.CreateMemoryFile("age-messages", out Errno errno);
        using SafeFileHandle read = LibC.Duplicate(input, LowestSource, out _);
        using SafeFileHandle written = LibC.Duplicate(output, LowestSource, out _);
        using SafeFileHandle said = LibC.Duplicate(messages, LowestSource, out _);
        int pid = 0;
        errno = errno != 0 ? errno : LibC.Spawn(
            program,
            arguments,
            [$"PATH={string.Join(':', CriuPrograms.SystemFolders)}", "LC_ALL=C"],
            [(read, 0), (written, 1), (said, 2)],
            [],
            [LibC.SIGPIPE],
            out pid,
            newSession: true,
            closed: LibC.ListDescriptors());
        SafeFileHandle? pidFd = errno == 0 ? LibC.OpenPidFd(pid, out errno) : null;
        if (errno == 0)
        {
            return new AgeProgram(pidFd!, messages, new FileStream(ours, isEncryption ? FileAccess.Write : FileAccess.Read, bufferSize: 0), isEncryption, cancellation);
        }

        pidFd?.Dispose();
        messages.Dispose();
        ours.Dispose();
        throw new CracException(CracReason.ProgramMissing, $"{program} could not be started: {LibC.Message(errno)}.", CriuPrograms.DescribeInstallation(Program));
    }

    private static void Require(Errno errno)
    {
        if (errno != 0)
        {
            throw new CracException(CracReason.Unknown, $"No pipe could be created for age: {LibC.Message(errno)}.", "Raise the limit of open files (ulimit -n).");
        }
    }

    private void Kill()
    {
        if (!_hasEnded)
        {
            LibC.Signal(_pidFd, LibC.SIGKILL);
        }
    }

    private void Wait()
    {
        if (!_hasEnded)
        {
            _end = LibC.Reap(_pidFd, out int code, out bool exited) == 0 ? (code, exited) : (-1, false);
            _hasEnded = true;
        }
    }

    private string ReadMessages()
    {
        byte[] buffer = new byte[MaximumMessage];
        int length = RandomAccess.Read(_messages, buffer, 0);
        string[] lines = Encoding.UTF8.GetString(buffer, 0, length).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string? error = Array.Find(lines, static line => line.StartsWith("age: error: ", StringComparison.Ordinal)) ?? lines.FirstOrDefault();
        string text = error is null ? _end.Exited ? $"exit code {_end.Code}" : $"signal {_end.Code}" : error.Replace("age: error: ", "", StringComparison.Ordinal).TrimEnd('.');
        return $"{text}.";
    }
}
