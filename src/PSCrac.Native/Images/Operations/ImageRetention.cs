using PSCrac.Images.Model;

namespace PSCrac.Images.Operations;

/// <summary>
/// Selects the images that are not needed any more. The rule is applied to each group: the images of a service, which are in one folder and
/// named by the time of their checkpoint, and otherwise the images of one command line.
/// </summary>
internal sealed class ImageRetention
{
    private readonly RetentionRule _rule;
    private readonly DateTimeOffset _now;
    private readonly List<CracImage> _removed = [];
    private readonly HashSet<string> _removedPaths = new(StringComparer.Ordinal);
    private readonly List<(CracImage Image, string Reason)> _kept = [];

    private ImageRetention(RetentionRule rule, DateTimeOffset now) => (_rule, _now) = (rule, now);

    /// <summary>Selects the images to remove. What another image needs is never among them, nor the only good image of a service.</summary>
    /// <param name="images">The images to select from. Only these are counted.</param>
    /// <param name="rule">The conditions.</param>
    /// <param name="now">The time from which ages are counted.</param>
    internal static RetentionSelection Select(IEnumerable<CracImage> images, RetentionRule rule, DateTimeOffset now)
    {
        var retention = new ImageRetention(rule, now);
        foreach (IGrouping<string, CracImage> group in images.DistinctBy(static image => image.Path).GroupBy(GroupOf, StringComparer.Ordinal))
        {
            CracImage[] newestFirst = [.. group.OrderByDescending(static image => image.Created).ThenByDescending(static image => image.Name, StringComparer.Ordinal)];
            retention.SelectGroup(newestFirst);
            if (ImageSeries.FolderOf(newestFirst[0]) is { } folder)
            {
                retention.KeepOneGood(newestFirst, folder);
            }
        }

        retention.KeepWhatIsNeeded();
        return new RetentionSelection(retention.InOrder(), retention._kept);
    }

    private static string GroupOf(CracImage image) => ImageSeries.FolderOf(image) is { } folder ? $"{folder}/" : image.Command;

    private void SelectGroup(CracImage[] newestFirst)
    {
        var candidates = new List<CracImage>();
        int kept = 0;
        foreach (CracImage image in newestFirst)
        {
            if (kept < _rule.KeepLast && ImageSeries.IsGood(image))
            {
                kept++;
            }
            else if (_rule.OlderThan is not { } age || _now - image.Created >= age)
            {
                candidates.Add(image);
            }
        }

        long size = newestFirst.Sum(static image => image.Size);
        for (int i = candidates.Count - 1; i >= 0 && (_rule.MaximumSize is not { } maximum || size > maximum); i--)
        {
            size -= candidates[i].Size;
            _removed.Add(candidates[i]);
            _removedPaths.Add(candidates[i].Path);
        }
    }

    // The folder is read, since the caller may have given only some of the images.
    private void KeepOneGood(CracImage[] newestFirst, string folder)
    {
        if (!Array.Exists(newestFirst, image => _removedPaths.Contains(image.Path))
            || ImageSeries.Find(folder).Any(path => !_removedPaths.Contains(path) && ImageSeries.TryOpen(path) is { } image && ImageSeries.IsGood(image)))
        {
            return;
        }

        if (Array.Find(newestFirst, image => _removedPaths.Contains(image.Path) && ImageSeries.IsGood(image)) is { } newest)
        {
            Keep(newest, $"it is the only one of the service {Path.GetFileName(folder)} that can be restored");
        }
    }

    // An image that is kept may need another one, which is then kept too.
    private void KeepWhatIsNeeded()
    {
        for (bool hasChanged = true; hasChanged;)
        {
            hasChanged = false;
            foreach (CracImage image in _removed.ToArray())
            {
                if (FindWhatNeeds(image) is { } other)
                {
                    Keep(image, $"{other} needs it");
                    hasChanged = true;
                }
            }
        }
    }

    private string? FindWhatNeeds(CracImage image) =>
        ImageRemoval.FindChildren(image).FirstOrDefault(child => !_removedPaths.Contains(child)) ?? FindOtherWithItsLinks(image);

    // The helper links of a one-shot image go with it. A copy of the image has the same ones.
    private string? FindOtherWithItsLinks(CracImage image)
    {
        if (image.Manifest is not { OutsideFiles: { Count: > 0 } links })
        {
            return null;
        }

        foreach (string path in ImageRemoval.FindNeighbours(image))
        {
            if (path != image.Path && !_removedPaths.Contains(path) && ImageSeries.TryOpen(path)?.Manifest is { } other && other.OutsideFiles.Any(links.Contains))
            {
                return path;
            }
        }

        return null;
    }

    private void Keep(CracImage image, string reason)
    {
        _removed.Remove(image);
        _removedPaths.Remove(image.Path);
        _kept.Add((image, reason));
    }

    private List<CracImage> InOrder()
    {
        var ordered = new List<CracImage>();
        var waiting = new List<CracImage>(_removed);
        while (waiting.Count > 0)
        {
            HashSet<string> left = [.. waiting.Select(static image => image.Path)];
            CracImage next = waiting.Find(image => !ImageRemoval.FindChildren(image).Any(left.Contains)) ?? waiting[0];
            ordered.Add(next);
            waiting.Remove(next);
        }

        return ordered;
    }
}
