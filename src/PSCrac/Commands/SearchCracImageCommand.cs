using System.Globalization;
using System.Management.Automation;
using System.Text.RegularExpressions;
using PSCrac.Completion;
using PSCrac.Images;

namespace PSCrac.Commands;

/// <summary>Search-CracImage: finds text or bytes in the memory of an image's processes.</summary>
[Cmdlet(VerbsCommon.Search, "CracImage", DefaultParameterSetName = PathSet)]
[OutputType(typeof(CracMemoryMatch))]
public sealed class SearchCracImageCommand : ImageInputCommand
{
    // What to look for comes first, as in Select-String.

    /// <inheritdoc/>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = PathSet)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public override string[] Path { get; set; } = [];

    /// <summary>A text to look for.</summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    public string? String { get; set; }

    /// <summary>Look for the text as UTF-16 too, as .NET and JavaScript keep many strings.</summary>
    [Parameter]
    public SwitchParameter Utf16 { get; set; }

    /// <summary>A regular expression to look for, each byte being a Latin-1 character.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Pattern { get; set; }

    /// <summary>Bytes to look for.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public byte[]? Bytes { get; set; }

    /// <summary>The processes, by their pids in the image, whose memory is searched; all where it is left out.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ImageProcessCompleter))]
    public int[]? ProcessId { get; set; }

    /// <summary>How many bytes before and behind a match to show with it.</summary>
    [Parameter]
    [ValidateRange(0, 4096)]
    public int Context { get; set; } = 32;

    private MemoryPattern? _pattern;

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        if ((String is null ? 0 : 1) + (Pattern is null ? 0 : 1) + (Bytes is null ? 0 : 1) != 1)
        {
            throw Terminating("Give one of -String, -Pattern and -Bytes: what to look for.", null);
        }

        try
        {
            _pattern = Bytes is not null ? MemoryPattern.FromBytes(Bytes)
                : Pattern is not null ? MemoryPattern.FromExpression(new Regex(Pattern, RegexOptions.CultureInvariant))
                : MemoryPattern.FromString(String!, Utf16);
        }
        catch (ArgumentException e)
        {
            throw Terminating(e.Message, e);
        }
    }

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image)
    {
        var search = new MemorySearch(image, _pattern!, ProcessId, Context);
        WriteStream(
            $"Searching {image.Name}",
            search.Run,
            () => string.Create(CultureInfo.CurrentCulture, $"{search.BytesSearched >> 20:N0} MiB searched"));
    }

    private static PSArgumentException Terminating(string message, Exception? inner) => new(message, inner);
}
