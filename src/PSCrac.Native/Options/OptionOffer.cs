namespace PSCrac.Options;

/// <summary>An option that takes care of a finding.</summary>
/// <param name="Parameter">How it is given, such as <c>-ShellJob</c>.</param>
/// <param name="CriuOption">criu's name for it, without dashes.</param>
/// <param name="Value">Its value; null without one.</param>
/// <param name="Given">Whether the caller has given it: null when nothing was said about it, false when it was refused.</param>
/// <param name="LosesNothing">Whether it may be chosen without being asked for.</param>
internal readonly record struct OptionOffer(string Parameter, string CriuOption, string? Value, bool? Given, bool LosesNothing);
