namespace PSCrac.Starting;

/// <summary>Something that holds once a program is ready.</summary>
internal abstract class ReadyCondition
{
    /// <summary>The condition as the end of a sentence that begins with "not ready:".</summary>
    internal abstract string Description { get; }

    /// <summary>Whether a program that was restored can fulfil it too. It does not repeat what it has done before.</summary>
    internal virtual bool HoldsAfterRestore => true;

    /// <summary>Takes note of how things are before the program is started, so that what an earlier one left does not count.</summary>
    /// <exception cref="CracException">Something that is there already would make the condition say nothing.</exception>
    internal virtual void Prepare(CancellationToken cancellation)
    {
    }

    /// <summary>Begins a first look at a restored program that is about to run, so that it finds it waiting. Called again, it begins anew.</summary>
    /// <param name="cancellation">Ends that look.</param>
    internal virtual void BeginEarly(CancellationToken cancellation)
    {
    }

    /// <summary>Forgets a look that began early: what it finds is not to count for another program.</summary>
    internal virtual void ForgetEarly()
    {
    }

    /// <summary>Looks whether it holds now.</summary>
    /// <param name="processId">The program.</param>
    /// <param name="limit">The longest that looking may take.</param>
    /// <param name="cancellation">Ends the look.</param>
    internal abstract bool IsMet(int processId, TimeSpan limit, CancellationToken cancellation);
}

/// <summary>A URI answers with a status below 400.</summary>
internal sealed class ReadyUri : ReadyCondition
{
    // A first request may itself take its time; a program that hangs is asked again.
    private static readonly TimeSpan LongestRequest = TimeSpan.FromSeconds(10);
    private readonly Uri _uri;
    private Task<int?>? _early;
    private string _last = "it does not answer";

    /// <summary>Creates the condition.</summary>
    /// <param name="uri">An absolute http or https URI. Its certificate is not checked: nothing is sent that is secret.</param>
    /// <exception cref="ArgumentException">It is no such URI.</exception>
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
        if (_uri.IsLoopback && HttpProbe.GetStatus(_uri, LongestRequest, cancellation) is not null)
        {
            throw new CracException(
                CracReason.AddressUnavailable,
                $"{_uri} answers already, before the program was started.",
                $"End what listens on port {_uri.Port}, or give the program another port.");
        }
    }

    // The kernel takes the call where the program's socket listens already, and keeps the request until it runs.
    internal override void BeginEarly(CancellationToken cancellation) =>
        _early = Task.Factory.StartNew(
            () => HttpProbe.GetStatus(_uri, LongestRequest, cancellation), cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    internal override void ForgetEarly() => Interlocked.Exchange(ref _early, null);

    internal override bool IsMet(int processId, TimeSpan limit, CancellationToken cancellation)
    {
        TimeSpan longest = limit < LongestRequest ? limit : LongestRequest;
        Task<int?>? early = Interlocked.Exchange(ref _early, null);
        int? status = early is null ? HttpProbe.GetStatus(_uri, longest, cancellation)
            : Task.WaitAny([early], (int)longest.TotalMilliseconds, cancellation) == 0 ? early.GetAwaiter().GetResult()
            : null;
        _last = status is null ? "it does not answer" : $"it answers with status {status}";
        return status < 400;
    }
}

/// <summary>The program listens on a TCP port. It is not called, but looked up, so that no connection is left in it.</summary>
/// <param name="port">The port.</param>
internal sealed class ReadyPort(int port) : ReadyCondition
{
    /// <inheritdoc/>
    internal override string Description => $"it does not listen on port {port}";

    internal override bool IsMet(int processId, TimeSpan limit, CancellationToken cancellation) =>
        TreeSockets.ListensOn(processId, port);
}

/// <summary>A file was made, or changed, since the program was started.</summary>
/// <param name="path">The file's full path.</param>
internal sealed class ReadyFile(string path) : ReadyCondition
{
    private (DateTime Written, long Length)? _before;

    /// <inheritdoc/>
    internal override string Description => $"{path} was not written";

    /// <inheritdoc/>
    internal override bool HoldsAfterRestore => false;

    internal override void Prepare(CancellationToken cancellation) => _before = Look();

    internal override bool IsMet(int processId, TimeSpan limit, CancellationToken cancellation) =>
        Look() is { } now && now != _before;

    private (DateTime Written, long Length)? Look()
    {
        var file = new FileInfo(path);
        return file.Exists ? (file.LastWriteTimeUtc, file.Length) : Directory.Exists(path) ? (Directory.GetLastWriteTimeUtc(path), 0) : null;
    }
}

/// <summary>Something that the caller finds out.</summary>
/// <param name="test">Asked again and again.</param>
/// <param name="description">The end of a sentence that begins with "not ready:".</param>
internal sealed class ReadyTest(Func<bool> test, string description) : ReadyCondition
{
    /// <inheritdoc/>
    internal override string Description => description;

    internal override bool IsMet(int processId, TimeSpan limit, CancellationToken cancellation) => test();
}
