using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Paging;

/// <summary>Where pages come from that are not in the image yet: a socket in a folder, to which whoever brings them connects.</summary>
internal sealed class PageSource : IDisposable
{
    private PageServer? _prepared;

    private PageSource(FolderHandle folder, string name, SafeFileHandle listener)
    {
        Folder = folder;
        Name = name;
        Listener = listener;
    }

    /// <summary>The folder of the socket and of the outcome.</summary>
    internal FolderHandle Folder { get; }

    /// <summary>The socket's name in it.</summary>
    internal string Name { get; }

    internal SafeFileHandle Listener { get; }

    /// <summary>How long nothing may come before the tree is ended.</summary>
    internal required TimeSpan Silence { get; init; }

    /// <summary>Whether the image is to be whole in the end.</summary>
    internal required bool KeepsImage { get; init; }

    /// <summary>Creates the socket. Takes over the folder, and a daemon that was started already.</summary>
    internal static PageSource? TryCreate(FolderHandle folder, string name, PageServer? prepared, TimeSpan silence, bool keepsImage, out Errno errno)
    {
        SafeFileHandle listener = LibC.Listen(folder.Handle, name, out errno);
        if (errno == 0)
        {
            return new PageSource(folder, name, listener) { Silence = silence, KeepsImage = keepsImage, _prepared = prepared };
        }

        listener.Dispose();
        return null;
    }

    /// <summary>The daemon that serves the restore; another one for each attempt.</summary>
    internal PageServer TakeServer()
    {
        PageServer server = _prepared ?? PageServer.Start([]);
        _prepared = null;
        return server;
    }

    /// <summary>Connects to the daemon. The handle is invalid on failure.</summary>
    internal SafeFileHandle Connect(out Errno errno) => LibC.Connect(Folder.Handle, Name, out errno);

    /// <summary>Closes this process's socket: nobody connects to it any more when the daemon has ended.</summary>
    internal void Close() => Listener.Dispose();

    /// <inheritdoc/>
    public void Dispose()
    {
        _prepared?.Dispose();
        Listener.Dispose();
        Folder.Dispose();
    }
}
