using System.Management.Automation;
using PSCrac.Starting.Services;

namespace PSCrac.Commands.Common;

/// <summary>Finds services by name.</summary>
internal static class ServiceNames
{
    /// <summary>The names without wildcards as they are, whether or not there is such a service, and the names of the services that the others match.</summary>
    internal static IEnumerable<string> Find(IEnumerable<string> patterns)
    {
        IReadOnlyList<string> all = ServiceStore.ReadNames();
        foreach (string pattern in patterns)
        {
            if (!WildcardPattern.ContainsWildcardCharacters(pattern))
            {
                yield return pattern;
                continue;
            }

            var wanted = WildcardPattern.Get(pattern, WildcardOptions.None);
            foreach (string name in all.Where(wanted.IsMatch))
            {
                yield return name;
            }
        }
    }
}
