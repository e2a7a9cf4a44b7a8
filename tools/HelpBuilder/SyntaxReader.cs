using System.Text.RegularExpressions;
using Markdig.Syntax;

namespace PSCrac.HelpBuilder;

/// <summary>
/// Reads the syntax of a cmdlet's page and holds it against what the page says of each parameter. The order of the parameters is the
/// syntax's own; all else is in the parameters' blocks of yaml as well, and has to be the same there.
/// </summary>
internal static partial class SyntaxReader
{
    // What PowerShell calls the set of a cmdlet that has only one.
    private const string OnlySet = "__AllParameterSets";

    private const string DefaultMark = " (Default)";

    /// <exception cref="PageException">The syntax cannot be read, or is not what the parameters make.</exception>
    public static IReadOnlyList<ParameterSet> Read(MarkdownPage page, IReadOnlyList<Section> sections, IReadOnlyList<Parameter> parameters)
    {
        var sets = sections.Select(section => ReadSet(page, section, parameters)).ToList();
        foreach (var parameter in parameters)
        {
            foreach (var membership in parameter.Sets)
            {
                if (membership.SetName != Membership.AllSets && !sets.Exists(set => set.Name == membership.SetName))
                {
                    throw page.Error(parameter.Line, $"-{parameter.Name} is in the parameter set '{membership.SetName}', of which there is no syntax");
                }
            }
        }
        return sets;
    }

    // One parameter. The dash is in brackets where the name can be left out, all of it where the parameter can.
    [GeneratedRegex(@"\G\s*(?:
        (?<optional>\[)(?<positional>\[)-(?<name>\w+)\]\s+<(?<type>[^<>]+)>\] |
        (?<positional>\[)-(?<name>\w+)\]\s+<(?<type>[^<>]+)> |
        (?<optional>\[)-(?<name>\w+)(?:\s+<(?<type>[^<>]+)>)?\] |
        -(?<name>\w+)(?:\s+<(?<type>[^<>]+)>)?
        )(?=\s|$)", RegexOptions.IgnorePatternWhitespace | RegexOptions.ExplicitCapture)]
    private static partial Regex Item();

    private static ParameterSet ReadSet(MarkdownPage page, Section section, IReadOnlyList<Parameter> parameters)
    {
        var name = section.Title.EndsWith(DefaultMark, StringComparison.Ordinal) ? section.Title[..^DefaultMark.Length] : section.Title;
        if (section.Blocks is not [CodeBlock block])
        {
            throw page.Error(section.Line, "below the name of a parameter set stands a block of code with its syntax, and nothing else");
        }
        var code = TextReader.Code(block).Replace("[<CommonParameters>]", "").TrimEnd();
        if (!code.StartsWith(page.Name, StringComparison.Ordinal))
        {
            throw page.Error(MarkdownPage.LineOf(block) + 1, $"the syntax has to begin with {page.Name}");
        }
        var found = new List<(Parameter Parameter, Membership Membership)>();
        for (var at = page.Name.Length; at < code.Length;)
        {
            var blanks = code.AsSpan(at).IndexOfAnyExcept(' ', '\n');
            var line = MarkdownPage.LineOf(block) + 1 + code.AsSpan(0, at + blanks).Count('\n');
            var match = Item().Match(code, at);
            if (!match.Success)
            {
                throw page.Error(line, $"the syntax is not understood from '{code[at..].Trim().Split('\n')[0]}' on");
            }
            at += match.Length;
            found.Add(Find(page, line, match, name, parameters));
        }
        var left = parameters.FirstOrDefault(parameter =>
            !parameter.IsHidden && In(parameter, name) is not null && !found.Exists(item => item.Parameter == parameter));
        return left is null ? new(name, found)
            : throw page.Error(section.Line, $"-{left.Name} is not in the syntax of '{name}', though it is a parameter of it");
    }

    private static Membership? In(Parameter parameter, string setName) => parameter.In(setName == OnlySet ? Membership.AllSets : setName);

    private static (Parameter Parameter, Membership Membership) Find(
        MarkdownPage page, int line, Match item, string setName, IReadOnlyList<Parameter> parameters)
    {
        var name = item.Groups["name"].Value;
        var parameter = parameters.FirstOrDefault(parameter => parameter.Name == name)
            ?? throw page.Error(line, $"-{name} is in the syntax, but not among the parameters");
        var membership = In(parameter, setName)
            ?? throw page.Error(line, $"-{name} is in the syntax of '{setName}', but is no parameter of it (line {parameter.Line})");
        var type = item.Groups["type"].Success ? item.Groups["type"].Value : null;
        var declared = parameter.IsSwitch ? null : TypeNames.Short(parameter.Type);
        var contradiction =
            type != declared ? $"is of type {declared ?? "switch"}"
            : item.Groups["optional"].Success == membership.IsRequired ? membership.IsRequired ? "is required" : "is not required"
            : item.Groups["positional"].Success != membership.Position.HasValue ? membership.Position is { } position ? $"has the position {position}" : "has no position"
            : null;
        return contradiction is null ? (parameter, membership)
            : throw page.Error(line, $"the syntax of '{setName}' has {item.Value.Trim()}, but -{name} {contradiction} (line {parameter.Line})");
    }
}
