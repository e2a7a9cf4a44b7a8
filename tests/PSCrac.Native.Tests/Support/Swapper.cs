using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>
/// A neighbour who may write to a folder, and exchanges something in it for something else and back, as often as he can. In the end
/// all is where it was.
/// </summary>
internal sealed class Swapper : IDisposable
{
    private readonly SafeFileHandle _folder;
    private readonly Thread _thread;
    private volatile bool _isOver;
    private int _count;

    /// <summary>Begins.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="name">What is exchanged.</param>
    /// <param name="other">What for.</param>
    internal Swapper(string folder, string name, string other)
    {
        _folder = LibC.Open(folder, LibC.O_RDONLY | LibC.O_DIRECTORY, out Errno errno);
        Assert.Equal(Errno.None, errno);
        _thread = new Thread(() =>
        {
            // An exchange fails for as long as one of the two is deleted.
            while (!_isOver || _count % 2 != 0)
            {
                if (LibC.Rename(_folder, name, other, LibC.RENAME_EXCHANGE) == 0)
                {
                    _count++;
                }
                else if (_isOver)
                {
                    break;
                }
            }
        })
        { IsBackground = true, Name = "swapper" };
        _thread.Start();
        Wait.Until(() => _count > 10, () => $"nothing was exchanged for {name}");
    }

    /// <summary>Ends, with all where it was.</summary>
    public void Dispose()
    {
        _isOver = true;
        _thread.Join();
        _folder.Dispose();
    }
}
