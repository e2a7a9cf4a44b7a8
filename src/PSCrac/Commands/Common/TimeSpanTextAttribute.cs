using System.Management.Automation;

namespace PSCrac.Commands.Common;

/// <summary>
/// Refuses a bare number for a time span. PowerShell takes it for ticks of 100 nanoseconds, so that -OlderThan 7 would be no age at all.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class TimeSpanTextAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        object value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        bool isNumber = value is IConvertible and not string and not bool || (value is string text && double.TryParse(text, out _));
        return isNumber
            ? throw new ArgumentTransformationMetadataException(
                $"{value} has no unit. Write days.hours:minutes:seconds, such as 7.00:00:00 for seven days and 06:00:00 for six hours, or give a time span.")
            : inputData;
    }
}
