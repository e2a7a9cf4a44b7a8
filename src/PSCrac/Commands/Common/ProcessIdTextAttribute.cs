using System.Globalization;
using System.Management.Automation;

namespace PSCrac.Commands.Common;

/// <summary>
/// Makes a number out of a text that is one, as pgrep(1) and CSV files give it, before PowerShell asks which positional parameter it
/// fits. It would fit one that takes a text first.
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
