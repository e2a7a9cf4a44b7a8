using System.Management.Automation;
using PSCrac.Images;

namespace PSCrac.Commands;

/// <summary>How the cmdlets that read images find them: by path with wildcards, by literal path, by name under the image root, or piped.</summary>
public abstract class ImageReadingCommand : CracCommand
{
    private protected const string PathSet = "Path";
    private protected const string LiteralPathSet = "LiteralPath";
    private protected const string InputObjectSet = "InputObject";

    /// <summary>The images at what a user gave as -Path. What is not one is an error of its own, unless a wildcard found it.</summary>
    private protected IEnumerable<CracImage> OpenPaths(IEnumerable<string> paths)
    {
        foreach (string path in paths)
        {
            IReadOnlyList<string>? found = null;
            ForItem(path, () => found = Find(path));
            bool byWildcard = WildcardPattern.ContainsWildcardCharacters(path);
            foreach (string each in found ?? [])
            {
                if ((!byWildcard || CracImage.IsImageDirectory(each)) && Open(each) is { } image)
                {
                    yield return image;
                }
            }
        }
    }

    /// <summary>The images at what a user gave as -LiteralPath.</summary>
    private protected IEnumerable<CracImage> OpenLiteralPaths(IEnumerable<string> paths)
    {
        foreach (string path in paths)
        {
            string? found = null;
            ForItem(path, () => found = FindLiteral(path));
            if (found is not null && Open(found) is { } image)
            {
                yield return image;
            }
        }
    }

    /// <summary>Opens one image; null, with the error written, where it cannot be read.</summary>
    private protected CracImage? Open(string path)
    {
        CracImage? image = null;
        ForItem(path, () => image = CracImage.Open(path));
        return image;
    }

    private IReadOnlyList<string> Find(string path)
    {
        if (!WildcardPattern.ContainsWildcardCharacters(path))
        {
            return [FindLiteral(path)];
        }

        try
        {
            IReadOnlyList<string> here = SessionState.Path.GetResolvedProviderPathFromPSPath(path, out ProviderInfo provider);
            if (here.Count > 0 || path.Contains('/', StringComparison.Ordinal))
            {
                return provider.Name == "FileSystem" ? here : [];
            }
        }
        catch (ItemNotFoundException)
        {
            // Nothing here matches; names under the image root still may.
        }
        catch (SessionStateException)
        {
            // No such drive: said below in the same words as without a wildcard.
            ResolveLiteral(path);
        }

        return path.Contains('/', StringComparison.Ordinal) || !Directory.Exists(ImageRoot.Path) ? [] : FindNames(path);
    }

    private static List<string> FindNames(string pattern)
    {
        var wanted = WildcardPattern.Get(pattern, WildcardOptions.None);
        var names = new List<string>();
        foreach (string each in Directory.EnumerateDirectories(ImageRoot.Path))
        {
            if (wanted.IsMatch(System.IO.Path.GetFileName(each)))
            {
                names.Add(each);
            }
        }

        names.Sort(StringComparer.Ordinal);
        return names;
    }

    private string FindLiteral(string path)
    {
        string here = ResolveLiteral(path);
        if (Path.Exists(here) || path.Contains('/', StringComparison.Ordinal) || path is "." or "..")
        {
            return here;
        }

        string named = ImageRoot.PathOf(path);
        return Directory.Exists(named)
            ? named
            : throw new CracException(
                CracReason.NotAnImage,
                $"There is no image '{path}': neither {here} nor {named} exists.",
                "Get-CracImage lists the images under the image root.")
            {
                ImagePath = path,
            };
    }
}
