namespace PSCrac.Common;

/// <summary>The folder of PSCrac's persistent state: /var/lib/pscrac for root, otherwise $XDG_STATE_HOME/pscrac.</summary>
internal static class StateDirectory
{
    internal static string Path
    {
        get
        {
            if (Environment.IsPrivilegedProcess)
            {
                return "/var/lib/pscrac";
            }

            string? state = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
            return System.IO.Path.Combine(
                string.IsNullOrEmpty(state)
                    ? System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "state")
                    : state,
                "pscrac");
        }
    }
}
