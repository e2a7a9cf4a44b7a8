using PSCrac.Images.Storage;
using PSCrac.Paging;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>The page daemon of a restore with lazy pages, which is started before it is known whether the tree can be restored.</summary>
internal sealed class RestorePages : IDisposable
{
    private readonly PageServer _server;
    private readonly PageSource? _source;

    private RestorePages(PageServer server, PageSource? source)
    {
        _server = server;
        _source = source;
    }

    /// <summary>The daemon.</summary>
    internal ProcessIdentity Identity => _server.Identity;

    /// <summary>Starts it.</summary>
    /// <param name="source">Where pages come from that are not in the image; null for none.</param>
    /// <param name="needed">The pids of the tree.</param>
    /// <exception cref="CracException">It could not be started.</exception>
    internal static RestorePages Start(PageSource? source, IReadOnlyCollection<int> needed) => new(source?.TakeServer() ?? PageServer.Start(needed), source);

    /// <summary>Has it serve the image. criu can connect from then on.</summary>
    /// <param name="images">The image.</param>
    /// <param name="work">criu's work directory.</param>
    /// <exception cref="CracException">It has ended.</exception>
    internal void Serve(FolderHandle images, FolderHandle work) => _server.Serve(images, work, _source);

    /// <summary>Throws if it has ended before all pages were in.</summary>
    internal void RequireAlive() => _server.RequireAlive();

    /// <summary>Tells it what is lost with it, before the tree runs.</summary>
    internal void Arm(IReadOnlyList<ProcessIdentity> tree) => _server.Arm([.. tree.Where(static each => each.ProcessId > 1)]);

    /// <summary>Monitors it in the background until it has ended.</summary>
    /// <param name="lost">Kills the tree, which cannot continue without its pages.</param>
    internal CracLazyPages Watch(Action lost)
    {
        _server.Release();
        var pages = new CracLazyPages(Identity.ProcessId);
        var watcher = new Thread(() =>
        {
            bool hasSucceeded = _server.WaitForEnd();
            if (!hasSucceeded)
            {
                // The guard has done so, unless it was killed too.
                lost();
            }

            pages.Complete(hasSucceeded);
        })
        { IsBackground = true, Name = $"page daemon {Identity.ProcessId}" };
        watcher.Start();
        return pages;
    }

    public void Dispose() => _server.Dispose();
}
