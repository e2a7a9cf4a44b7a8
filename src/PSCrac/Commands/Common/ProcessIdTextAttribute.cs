using System.Globalization;
using System.Management.Automation;

namespace PSCrac.Commands.Common;

/// <summary>
/// Converts a text that is a number, as from pgrep(1) or a CSV file, to a number before PowerShell binds positional parameters.
/// PowerShell would otherwise bind it to a parameter that takes a text.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ProcessIdTextAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData) =>
        (inputData is PSObject wrapped ? wrapped.BaseObject : inputData) is string text
        && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int id)
            ? new[] { id }
            : inputData;
}
