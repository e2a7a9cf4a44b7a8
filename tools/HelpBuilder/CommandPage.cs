namespace PSCrac.HelpBuilder;

/// <summary>The page of one cmdlet.</summary>
internal sealed record CommandPage
{
    /// <summary>The cmdlet's name.</summary>
    public required string Name { get; init; }

    /// <summary>The name of the MAML file that its help belongs into.</summary>
    public required string HelpFile { get; init; }

    /// <summary>Where the help is in the web; empty where it is not.</summary>
    public required string HelpUri { get; init; }

    /// <summary>One sentence.</summary>
    public required string Synopsis { get; init; }

    public required IReadOnlyList<TextBlock> Description { get; init; }

    public required IReadOnlyList<ParameterSet> Syntax { get; init; }

    public required IReadOnlyList<Parameter> Parameters { get; init; }

    public required IReadOnlyList<Example> Examples { get; init; }

    public required IReadOnlyList<PipedType> Inputs { get; init; }

    public required IReadOnlyList<PipedType> Outputs { get; init; }

    public required IReadOnlyList<TextBlock> Notes { get; init; }

    public required IReadOnlyList<RelatedLink> Links { get; init; }
}

/// <summary>A parameter set, as the page's syntax has it.</summary>
/// <param name="Parameters">In the order of the syntax.</param>
internal sealed record ParameterSet(string Name, IReadOnlyList<(Parameter Parameter, Membership Membership)> Parameters);

/// <summary>What a parameter is in one parameter set.</summary>
/// <param name="SetName">The set's name; <see cref="AllSets"/> for what holds in every set.</param>
/// <param name="Position">Counted from 0; null where it is bound by its name alone.</param>
internal sealed record Membership(string SetName, int? Position, bool IsRequired, bool ByValue, bool ByPropertyName, bool TakesRest)
{
    /// <summary>What the pages say of a parameter that is in all sets.</summary>
    public const string AllSets = "(All)";
}

internal sealed record Parameter
{
    /// <summary>Without the dash.</summary>
    public required string Name { get; init; }

    /// <summary>The full name of the .NET type.</summary>
    public required string Type { get; init; }

    public bool IsSwitch => Type == "System.Management.Automation.SwitchParameter";

    public required IReadOnlyList<TextBlock> Description { get; init; }

    /// <summary>Empty where there is none.</summary>
    public required string DefaultValue { get; init; }

    public required bool SupportsWildcards { get; init; }

    public required IReadOnlyList<string> Aliases { get; init; }

    /// <summary>The only values that there are; empty where that is not said.</summary>
    public required IReadOnlyList<string> AcceptedValues { get; init; }

    /// <summary>Whether the syntax leaves it out.</summary>
    public required bool IsHidden { get; init; }

    /// <summary>At least one.</summary>
    public required IReadOnlyList<Membership> Sets { get; init; }

    /// <summary>The line of its heading in the page, counted from 1.</summary>
    public required int Line { get; init; }

    /// <summary>What the parameter is in a set; null where it is not in it.</summary>
    public Membership? In(string setName) =>
        Sets.FirstOrDefault(set => set.SetName == setName) ?? Sets.FirstOrDefault(set => set.SetName == Membership.AllSets);
}

/// <param name="Introduction">What stands before the code.</param>
/// <param name="Remarks">What stands after it.</param>
internal sealed record Example(string Title, IReadOnlyList<TextBlock> Introduction, string Code, IReadOnlyList<TextBlock> Remarks);

/// <summary>What a cmdlet takes from the pipeline, or gives to it.</summary>
internal sealed record PipedType(string Name, IReadOnlyList<TextBlock> Description);

/// <param name="Uri">Empty for a link to another page.</param>
internal sealed record RelatedLink(string Text, string Uri);
