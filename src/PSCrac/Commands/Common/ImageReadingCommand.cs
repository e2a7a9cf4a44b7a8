using System.Management.Automation;
using PSCrac.Images.Model;
using PSCrac.Images.Operations;
using PSCrac.Stores;

namespace PSCrac.Commands.Common;

/// <summary>
/// A cmdlet that reads images, given by path with wildcards, by literal path, by name under the image root, by name in a store, or from
/// the pipeline. An image in a store is imported to be read, and kept for the next time.
/// </summary>
public abstract class ImageReadingCommand : CracCommand
{
    private protected const string PathSet = "Path";
    private protected const string LiteralPathSet = "LiteralPath";
    private protected const string InputObjectSet = "InputObject";
    private readonly List<CachedImage> _cached = [];

    /// <summary>
    /// Whether a wildcard that matches no image is accepted without an error. Only for cmdlets that list: for the others silence
    /// would look like success.
    /// </summary>
    private protected virtual bool MayFindNothing => false;

    /// <summary>Whether a service's name stands for all of its images. Otherwise it stands for the newest that can be restored.</summary>
    private protected virtual bool TakesAllOfService => true;

    /// <summary>The images of -Path. A path that is no image is an error of its own, unless a wildcard matched it.</summary>
    private protected IEnumerable<CracImage> OpenPaths(IEnumerable<string> paths)
    {
        foreach (string path in paths)
        {
            if (StoreName.IsName(path))
            {
                if (OpenStored(path) is { } stored)
                {
                    yield return stored;
                }

                continue;
            }

            IReadOnlyList<string>? found = null;
            ForItem(path, () => found = Find(path));
            foreach (string each in (found ?? []).SelectMany(OfService))
            {
                if (Open(each) is { } image)
                {
                    yield return image;
                }
            }
        }
    }

    /// <summary>The images of -LiteralPath.</summary>
    private protected IEnumerable<CracImage> OpenLiteralPaths(IEnumerable<string> paths)
    {
        foreach (string path in paths)
        {
            if (StoreName.IsName(path))
            {
                if (OpenStored(path) is { } stored)
                {
                    yield return stored;
                }

                continue;
            }

            string? found = null;
            ForItem(path, () => found = FindImage(path));
            foreach (string each in found is null ? [] : OfService(found))
            {
                if (Open(each) is { } image)
                {
                    yield return image;
                }
            }
        }
    }

    /// <summary>Takes the name of a store, or of an image in one, as such. False where it is to be imported and read as any other image.</summary>
    private protected virtual bool TakeStored(StoreName name) => false;

    /// <summary>How a registry is reached.</summary>
    private protected virtual RegistryAccess Access => RegistryAccess.Usual;

    /// <summary>Refuses an image in a store before it is imported to be read.</summary>
    private protected virtual void RequireUsable(StoreName name)
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _cached.ForEach(static each => each.Dispose());
            _cached.Clear();
        }

        base.Dispose(disposing);
    }

    /// <summary>Opens one image; null, with the error written, where it cannot be read.</summary>
    private protected CracImage? Open(string path)
    {
        CracImage? image = null;
        ForItem(path, () => image = CracImage.Open(path, StopToken));
        return image;
    }

    private CracImage? OpenStored(string text)
    {
        CracImage? image = null;
        ForItem(text, () =>
        {
            StoreName name = ResolveStore(text);
            if (!TakeStored(name))
            {
                RequireUsable(name);
                CachedImage cached = RunOperation($"Importing {name}", (progress, stopping) =>
                {
                    using var stored = OpenedImage.Open(name, Access, stopping);
                    return CachedImage.Open(stored, progress, stopping);
                });
                _cached.Add(cached);
                image = cached.Image;
            }
        });
        return image;
    }

    // The folder of a service's images is no image itself.
    private IReadOnlyList<string> OfService(string path)
    {
        IReadOnlyList<string> series = ImageSeries.Find(path);
        return series.Count == 0 ? [path] : TakesAllOfService ? series : [ImageSeries.FindNewest(series) ?? series[^1]];
    }

    private List<string> Find(string path)
    {
        if (!WildcardPattern.ContainsWildcardCharacters(path))
        {
            // A backtick escapes a wildcard, as for Get-Item; it may also be part of a name.
            string plain = WildcardPattern.Unescape(path);
            return [plain != path && Exists(path) && !Exists(plain) ? FindImage(path) : FindImage(plain)];
        }

        bool isName = !path.Contains('/', StringComparison.Ordinal);
        try
        {
            List<string> found = FindHere(path, isName);
            if (found.Count == 0 && isName)
            {
                found = FindNames(path);
            }

            return found.Count > 0 || MayFindNothing ? found : throw NoMatch(path);
        }
        catch (WildcardPatternException e)
        {
            throw new CracException(
                CracReason.OptionRefused, $"'{path}' is no valid wildcard: {e.Message}", "Give the path with -LiteralPath, or put a backtick before each bracket that is part of a name.", e);
        }
    }

    private List<string> FindHere(string pattern, bool isName)
    {
        var found = new List<string>();
        try
        {
            foreach (string each in SessionState.Path.GetResolvedProviderPathFromPSPath(pattern, out ProviderInfo provider))
            {
                if (provider.Name == "FileSystem" && (CracImage.IsImageDirectory(each) || ImageSeries.Find(each).Count > 0))
                {
                    found.Add(each);
                }
            }
        }
        catch (ItemNotFoundException e) when (!isName)
        {
            // The folder that the wildcard is matched in: without it a match may find nothing.
            throw new CracException(CracReason.NotAnImage, $"{pattern} leads nowhere: {e.Message}", "Give the path of a folder that is there; Get-CracImage lists the images under the image root.", e);
        }
        catch (ItemNotFoundException)
        {
            // Names under the image root may still match.
        }
        catch (SessionStateException)
        {
            // The drive does not exist: the same error as without a wildcard.
            ResolveLiteral(pattern);
        }

        return found;
    }

    private static List<string> FindNames(string pattern)
    {
        var wanted = WildcardPattern.Get(pattern, WildcardOptions.None);
        var found = new List<string>();
        foreach (string each in ImageRoot.EnumerateImages().Concat(ImageRoot.EnumerateSeries()))
        {
            if (wanted.IsMatch(System.IO.Path.GetFileName(each)))
            {
                found.Add(each);
            }
        }

        return found;
    }

    private CracException NoMatch(string path) => new(
        CracReason.NotAnImage,
        $"No image matches '{path}'.",
        Exists(path) ? "Something has just this name: give it with -LiteralPath, which knows no wildcards." : "Get-CracImage lists the images under the image root, and with a path those of another folder.")
    {
        ImagePath = path,
    };

    private bool Exists(string path)
    {
        try
        {
            return Path.Exists(FindImage(path));
        }
        catch (CracException)
        {
            return false;
        }
    }
}
