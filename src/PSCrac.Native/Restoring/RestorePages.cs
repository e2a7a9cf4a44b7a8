using PSCrac.Criu;
using PSCrac.Images.Storage;
using PSCrac.Paging;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>The page daemon of a restore with lazy pages: our own where pages come from elsewhere, otherwise criu's.</summary>
internal sealed class RestorePages : IDisposable
{
    private readonly PageDaemon? _criu;
    private readonly PageServer? _own;

    private RestorePages(PageDaemon? criu, PageServer? own)
    {
        _criu = criu;
        _own = own;
    }

    /// <summary>The daemon.</summary>
    internal ProcessIdentity Identity => _own?.Identity ?? _criu!.Identity;

    /// <summary>Starts it.</summary>
    /// <param name="installation">Which criu.</param>
    /// <param name="images">The image.</param>
    /// <param name="work">criu's work directory.</param>
    /// <param name="source">Where pages come from that are not in the image; null for none.</param>
    /// <exception cref="CracException">It could not be started.</exception>
    internal static RestorePages Start(CriuInstallation installation, FolderHandle images, FolderHandle work, PageSource? source)
    {
        if (source is null)
        {
            return new RestorePages(PageDaemon.Start(installation, images.Handle, work.Handle), null);
        }

        PageServer own = source.TakeServer();
        try
        {
            own.Serve(images, work, source);
            return new RestorePages(null, own);
        }
        catch
        {
            own.Dispose();
            throw;
        }
    }

    /// <summary>Waits until criu can connect to it.</summary>
    internal void WaitUntilReady(CancellationToken cancellation) => _criu?.WaitUntilReady(cancellation);

    /// <summary>Throws if it has ended before all pages were in.</summary>
    internal void RequireAlive()
    {
        _own?.RequireAlive();
        _criu?.RequireAlive();
    }

    /// <summary>Tells it what is lost with it, before the tree runs.</summary>
    internal void Arm(IReadOnlyList<ProcessIdentity> tree) => _own?.Arm([.. tree.Where(static each => each.ProcessId > 1)]);

    /// <summary>Monitors it in the background until it has ended.</summary>
    /// <param name="lost">Kills the tree, which cannot continue without its pages.</param>
    internal CracLazyPages Watch(Action lost)
    {
        if (_own is not { } own)
        {
            return _criu!.Watch(lost);
        }

        own.Release();
        var pages = new CracLazyPages(own.Identity.ProcessId, isGuarded: true);
        var watcher = new Thread(() =>
        {
            bool hasSucceeded = own.WaitForEnd();
            if (!hasSucceeded)
            {
                lost();
            }

            pages.Complete(hasSucceeded);
        })
        { IsBackground = true, Name = $"page daemon {own.Identity.ProcessId}" };
        watcher.Start();
        return pages;
    }

    public void Dispose()
    {
        _own?.Dispose();
        _criu?.Dispose();
    }
}
