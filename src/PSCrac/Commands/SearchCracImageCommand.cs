using System.Globalization;
using System.Management.Automation;
using System.Text.RegularExpressions;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Images.Operations;

namespace PSCrac.Commands;

/// <summary>Search-CracImage: finds text or bytes in the memory of an image's processes.</summary>
[Cmdlet(VerbsCommon.Search, "CracImage", DefaultParameterSetName = PathSet)]
[OutputType(typeof(CracMemoryMatch))]
public sealed class SearchCracImageCommand : ImageInputCommand
{
    private const string PatternPathSet = "PatternPath";
    private const string PatternLiteralPathSet = "PatternLiteralPath";
    private const string PatternInputObjectSet = "PatternInputObject";
    private const string BytesPathSet = "BytesPath";
    private const string BytesLiteralPathSet = "BytesLiteralPath";
    private const string BytesInputObjectSet = "BytesInputObject";

    // Positions as in Select-String: the pattern first, then the path.

    /// <inheritdoc/>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = PathSet)]
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = PatternPathSet)]
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = BytesPathSet)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public override string[] Path { get; set; } = [];

    /// <inheritdoc/>
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = LiteralPathSet)]
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = PatternLiteralPathSet)]
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = BytesLiteralPathSet)]
    [Alias("PSPath")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public override string[] LiteralPath { get; set; } = [];

    /// <inheritdoc/>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = InputObjectSet)]
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = PatternInputObjectSet)]
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = BytesInputObjectSet)]
    [ValidateNotNull]
    public override CracImage[] InputObject { get; set; } = [];

    /// <summary>The text to find.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = PathSet)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = LiteralPathSet)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = InputObjectSet)]
    [ValidateNotNullOrEmpty]
#pragma warning disable CA1720 // The parameter is -String.
    public string? String { get; set; }
#pragma warning restore CA1720

    /// <summary>Search for the text as UTF-16 too, the encoding of many strings of .NET and JavaScript.</summary>
    [Parameter(ParameterSetName = PathSet)]
    [Parameter(ParameterSetName = LiteralPathSet)]
    [Parameter(ParameterSetName = InputObjectSet)]
    public SwitchParameter Utf16 { get; set; }

    /// <summary>The regular expression to find; each byte is a Latin-1 character.</summary>
    [Parameter(Mandatory = true, ParameterSetName = PatternPathSet)]
    [Parameter(Mandatory = true, ParameterSetName = PatternLiteralPathSet)]
    [Parameter(Mandatory = true, ParameterSetName = PatternInputObjectSet)]
    [ValidateNotNullOrEmpty]
    public string? Pattern { get; set; }

    /// <summary>The bytes to find.</summary>
    [Parameter(Mandatory = true, ParameterSetName = BytesPathSet)]
    [Parameter(Mandatory = true, ParameterSetName = BytesLiteralPathSet)]
    [Parameter(Mandatory = true, ParameterSetName = BytesInputObjectSet)]
    [ValidateNotNullOrEmpty]
    public byte[]? Bytes { get; set; }

    /// <summary>The processes, by their pids in the image, whose memory is searched; all where it is left out.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ImageProcessCompleter))]
    public int[]? ProcessId { get; set; }

    /// <summary>How many bytes before and after a match are returned with it.</summary>
    [Parameter]
    [ValidateRange(0, 4096)]
    public int Context { get; set; } = 32;

    // Memory can hold any bytes, and an expression cannot be interrupted between two matches.
    private static readonly TimeSpan ExpressionTimeout = TimeSpan.FromSeconds(10);
    private MemoryPattern? _pattern;

    /// <inheritdoc/>
    protected override void BeginProcessing() => OrEnd(Pattern ?? String, () => _pattern = MakePattern());

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image)
    {
        var search = new MemorySearch(image, _pattern!, ProcessId, Context);
        WriteStream(
            $"Searching {image.Name}",
            search.Run,
            () => string.Create(CultureInfo.CurrentCulture, $"{search.BytesSearched >> 20:N0} MiB searched"));
    }

    private MemoryPattern MakePattern()
    {
        if (Pattern is null)
        {
            return Bytes is not null ? MemoryPattern.FromBytes(Bytes) : MemoryPattern.FromString(String!, Utf16);
        }

        try
        {
            return MemoryPattern.FromExpression(new Regex(Pattern, RegexOptions.CultureInvariant, ExpressionTimeout));
        }
        catch (ArgumentException e)
        {
            throw new CracException(
                CracReason.OptionRefused,
                $"-Pattern '{Pattern}' cannot be looked for: {e.Message}",
                "about_Regular_Expressions tells how expressions are written; -String looks for a text as it is.",
                e);
        }
    }
}
