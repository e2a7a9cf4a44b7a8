namespace PSCrac.Starting;

/// <summary>A condition that holds once a program is ready.</summary>
internal abstract class ReadyCondition
{
    /// <summary>The condition as the end of a sentence that begins with "not ready:".</summary>
    internal abstract string Description { get; }

    /// <summary>Whether it can hold for a restored program too, which does not repeat what it did before its checkpoint.</summary>
    internal virtual bool HoldsAfterRestore => true;

    /// <summary>Records the state before the program is started, so that what an earlier program left does not count.</summary>
    /// <exception cref="CracException">The condition holds already, and so could not show that the program is ready.</exception>
    internal virtual void Prepare(CancellationToken cancellation)
    {
    }

    /// <summary>Starts a first check while a restored program is about to run, so that it is answered as soon as the program runs. A second call starts it anew.</summary>
    /// <param name="cancellation">Ends that check.</param>
    internal virtual void BeginEarlyCheck(CancellationToken cancellation)
    {
    }

    /// <summary>Discards an early check, so that its result does not count for another program.</summary>
    internal virtual void CancelEarlyCheck()
    {
    }

    /// <summary>Checks whether it holds now.</summary>
    /// <param name="processId">The program.</param>
    /// <param name="limit">The longest time for the check.</param>
    /// <param name="cancellation">Ends the check.</param>
    internal abstract bool IsMet(int processId, TimeSpan limit, CancellationToken cancellation);
}

/// <summary>A URI answers with a status below 400.</summary>
internal sealed class ReadyUri : ReadyCondition
{
    // A first request may take long. After this time, the request is repeated: the program may hang.
    private static readonly TimeSpan MaximumRequestTime = TimeSpan.FromSeconds(10);
    private readonly Uri _uri;
    private Task<int?>? _early;
    private string _last = "it does not answer";

    /// <summary>Creates the condition.</summary>
    /// <param name="uri">An absolute http or https URI. Its certificate is not checked: no secret is sent.</param>
    /// <exception cref="ArgumentException">It is not such a URI.</exception>
    internal ReadyUri(Uri uri)
    {
        ArgumentNullException.ThrowIfNull(uri);
        if (!uri.IsAbsoluteUri || uri.Scheme is not ("http" or "https"))
        {
            throw new ArgumentException("Give an absolute http or https URI.", nameof(uri));
        }

        _uri = uri;
    }

    /// <inheritdoc/>
    internal override string Description => $"{_uri}: {_last}";

    internal override void Prepare(CancellationToken cancellation)
    {
        HttpProbe.RequireUsable(_uri);
        if (_uri.IsLoopback && HttpProbe.GetStatus(_uri, MaximumRequestTime, cancellation) is not null)
        {
            throw new CracException(
                CracReason.AddressUnavailable,
                $"{_uri} answers already, before the program is started.",
                $"End the program that listens on port {_uri.Port}, or use another port.");
        }
    }

    // Where the program's socket listens already, the kernel accepts the connection, and keeps the request until the program runs.
    internal override void BeginEarlyCheck(CancellationToken cancellation) =>
        _early = Task.Factory.StartNew(
            () => HttpProbe.GetStatus(_uri, MaximumRequestTime, cancellation), cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    internal override void CancelEarlyCheck() => Interlocked.Exchange(ref _early, null);

    internal override bool IsMet(int processId, TimeSpan limit, CancellationToken cancellation)
    {
        TimeSpan timeout = limit < MaximumRequestTime ? limit : MaximumRequestTime;
        Task<int?>? early = Interlocked.Exchange(ref _early, null);
        int? status = early is null ? HttpProbe.GetStatus(_uri, timeout, cancellation)
            : Task.WaitAny([early], (int)timeout.TotalMilliseconds, cancellation) == 0 ? early.GetAwaiter().GetResult()
            : null;
        _last = status is null ? "it does not answer" : $"it answers with status {status}";
        return status < 400;
    }
}

/// <summary>The program listens on a TCP port. Read from the kernel's tables, so that no connection is left in the program.</summary>
/// <param name="port">The port.</param>
internal sealed class ReadyPort(int port) : ReadyCondition
{
    /// <inheritdoc/>
    internal override string Description => $"it does not listen on port {port}";

    internal override bool IsMet(int processId, TimeSpan limit, CancellationToken cancellation) =>
        TreeSockets.ListensOn(processId, port);
}

/// <summary>A file was created or changed since the program was started.</summary>
/// <param name="path">The file's full path.</param>
internal sealed class ReadyFile(string path) : ReadyCondition
{
    private (DateTime Written, long Length)? _before;

    /// <inheritdoc/>
    internal override string Description => $"{path} was not written";

    /// <inheritdoc/>
    internal override bool HoldsAfterRestore => false;

    internal override void Prepare(CancellationToken cancellation) => _before = ReadState();

    internal override bool IsMet(int processId, TimeSpan limit, CancellationToken cancellation) =>
        ReadState() is { } now && now != _before;

    private (DateTime Written, long Length)? ReadState()
    {
        var file = new FileInfo(path);
        return file.Exists ? (file.LastWriteTimeUtc, file.Length) : Directory.Exists(path) ? (Directory.GetLastWriteTimeUtc(path), 0) : null;
    }
}

/// <summary>A test of the caller's.</summary>
/// <param name="test">Called repeatedly until it returns true.</param>
/// <param name="description">The end of a sentence that begins with "not ready:".</param>
internal sealed class ReadyTest(Func<bool> test, string description) : ReadyCondition
{
    /// <inheritdoc/>
    internal override string Description => description;

    internal override bool IsMet(int processId, TimeSpan limit, CancellationToken cancellation) => test();
}
