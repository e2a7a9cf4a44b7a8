using System.Diagnostics;

namespace PSCrac.Starting.Services;

/// <summary>Decides what follows the crashes of a service: whether it is restarted, and whether its image is set aside.</summary>
/// <param name="limit">How many restarts there may be in the window.</param>
/// <param name="window">The time in which restarts are counted.</param>
internal sealed class ServiceRestarts(int limit, TimeSpan window)
{
    // One crash soon after a restore may have another cause; the second of the same image is the image's.
    private const int CrashesOfImage = 2;
    private readonly Queue<long> _restarts = new();
    private string? _image;
    private int _crashes;

    /// <summary>Counts a restart.</summary>
    /// <returns>Whether there may be one more; false where the limit is reached.</returns>
    internal bool TryAdd()
    {
        while (_restarts.TryPeek(out long first) && Stopwatch.GetElapsedTime(first) > window)
        {
            _restarts.Dequeue();
        }

        if (_restarts.Count >= limit)
        {
            return false;
        }

        _restarts.Enqueue(Stopwatch.GetTimestamp());
        return true;
    }

    /// <summary>Counts a crash of a program that was restored.</summary>
    /// <param name="image">The image.</param>
    /// <param name="lived">How long it ran.</param>
    /// <returns>Whether the image leads to crashes: it did so twice in succession, each time within the window.</returns>
    internal bool IsOfImage(ServiceImage image, TimeSpan lived)
    {
        bool isSame = _image == image.Path;
        _image = image.Path;
        _crashes = lived > window ? 0 : isSame ? _crashes + 1 : 1;
        return _crashes >= CrashesOfImage;
    }
}
