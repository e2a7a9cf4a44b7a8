# What a user sees and a script can catch when something is wrong.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
    $noSetpriv = Get-CriuObstacle setpriv
    $noPython = Get-CriuObstacle python3
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "an error$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $id = Start-TestProgram 'sleep 1000'
        $image = Invoke-CracCheckpoint $id "$folder/running" -LeaveRunning
    }

    It 'has the reason, a category, a recommended action and the target: <Reason>' -ForEach @(
        @{ Reason = 'ProcessNotFound'; Category = 'ObjectNotFound'; RecommendedAction = 'Get-Process'; Try = { Invoke-CracCheckpoint 2147483647 "$folder/x" } }
        @{ Reason = 'ProcessNotEligible'; Category = 'InvalidOperation'; RecommendedAction = 'session'; Try = { Invoke-CracCheckpoint $PID "$folder/x" } }
        @{ Reason = 'ProcessNotEligible'; Category = 'InvalidOperation'; RecommendedAction = ''; Try = { Invoke-CracCheckpoint 1 "$folder/x" } }
        @{ Reason = 'ImageExists'; Category = 'ResourceExists'; RecommendedAction = '-Force'; Try = { Invoke-CracCheckpoint $id "$folder/running" } }
        @{ Reason = 'NotAnImage'; Category = 'ObjectNotFound'; RecommendedAction = 'Get-CracImage'; Try = { Restore-CracProcess "$folder/none" } }
        @{ Reason = 'NotAnImage'; Category = 'ObjectNotFound'; RecommendedAction = 'file system'; Try = { Invoke-CracCheckpoint $id Env:x } }
        @{ Reason = 'NotAnImage'; Category = 'ObjectNotFound'; RecommendedAction = '-TrackMemory'; Try = { Invoke-CracCheckpoint $id "$folder/x" -ParentImage "$folder/none" } }
        @{ Reason = 'PidInUse'; Category = 'ResourceBusy'; RecommendedAction = 'Stop-Process'; Try = { Restore-CracProcess "$folder/running" } }
        @{ Reason = 'OptionRefused'; Category = 'InvalidArgument'; RecommendedAction = '-ImagePath'; Try = { Invoke-CracCheckpoint $id "$folder/x" -CriuOption @{ 'images-dir' = '/x' } } }
        @{ Reason = 'OptionRefused'; Category = 'InvalidArgument'; RecommendedAction = 'skip-mnt'; Try = { Invoke-CracCheckpoint $id "$folder/x" -CriuOption @{ '--skip-mnt' = '/x' } } }
        @{ Reason = 'OptionRefused'; Category = 'InvalidArgument'; RecommendedAction = 'character'; Try = { Invoke-CracCheckpoint $id "$folder/x" -CriuOption @{ 'skip-mnt' = "/x`nleave-running" } } }
        @{ Reason = 'OptionRefused'; Category = 'InvalidArgument'; RecommendedAction = '-CriuOption'; Try = { Invoke-CracCheckpoint $id "$folder/x" -CriuOption @{ 'no-such-option' = $true } } }
        @{ Reason = 'OptionRefused'; Category = 'InvalidArgument'; RecommendedAction = 'criu --help'; Try = { Invoke-CracCheckpoint $id "$folder/x" -CriuOption @{ 'network-lock' = 'bogus' } } }
        @{ Reason = 'CriuNotFound'; Category = 'NotInstalled'; RecommendedAction = '-CriuPath'; Try = { Invoke-CracCheckpoint $id "$folder/x" -CriuPath "$folder/none" } }
        @{ Reason = 'CriuNotFound'; Category = 'NotInstalled'; RecommendedAction = 'CRAC_CRIU_PATH'; Try = { Restore-CracProcess "$folder/running" -CriuPath /bin/true } }
    ) {
        $record = @(& $Try 2>&1)[-1]
        $record | Should -BeOfType Management.Automation.ErrorRecord
        $record.FullyQualifiedErrorId | Should -Match "^$Reason,PSCrac\.Commands\."
        $record.CategoryInfo.Category | Should -Be $Category
        $record.Exception | Should -BeOfType PSCrac.CracException
        $record.Exception.Reason | Should -Be $Reason
        $record.ErrorDetails.RecommendedAction | Should -Match ([regex]::Escape($RecommendedAction))
        $record.ErrorDetails.RecommendedAction | Should -Match '\.$' -Because 'it is a sentence'
        $record.TargetObject | Should -Not -BeNullOrEmpty
        $record.Exception.Message | Should -Match '^\S.*[.!]$' -Because 'it is a sentence'
        Test-Path "$folder/x" | Should -BeFalse
        Test-Running $id | Should -BeTrue
    }

    It 'is caught by its type in a script' {
        $caught = try { Restore-CracProcess "$folder/running" -ErrorAction Stop } catch [PSCrac.CracException] { $_.Exception }
        $caught.Reason | Should -Be PidInUse
        $caught.ImagePath | Should -Be $image.Path
        $caught.Operation | Should -Be 'restore'
    }

    It 'shows its recommendation' {
        (Invoke-ChildPwsh "Restore-CracProcess '$folder/running'").Error | Should -Match "(?s)belongs to 'sleep'.*Recommendation: .*Stop-Process -Id $id"
    }

    It 'of criu keeps its log and shows where, and the newest 20 only' {
        foreach ($i in 1..3) {
            Invoke-CracCheckpoint $id "$folder/x" -NoAutoOption -ParentImage $image.Path -ErrorAction SilentlyContinue -ErrorVariable failed
        }
        if ($failed) {
            $failed[0].Exception.LogPath | Should -BeLike "$env:PSCRAC_LOG_ROOT/*"
            $failed[0].Exception.LogPath | Should -Exist
            $failed[0].ErrorDetails.Message | Should -Match ([regex]::Escape($failed[0].Exception.LogPath))
            $failed[0].Exception.CriuLines | Should -Not -BeNullOrEmpty
        }
        else {
            Get-CracImage "$folder/x" | Should -Not -BeNullOrEmpty -Because 'a kernel that tracks memory can do it'
        }
    }
}

Describe "a machine where something is missing$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $id = Start-TestProgram 'sleep 1000'
        $try = "try { Invoke-CracCheckpoint $id '$folder/x' -ErrorAction Stop } catch [PSCrac.CracException] { `$_.Exception.Reason; `$_.Exception.Message; `$_.Exception.RecommendedAction }"
    }

    AfterEach {
        Test-Running $id | Should -BeTrue
        Test-Path "$folder/x" | Should -BeFalse
    }

    It 'has no criu where CRAC_CRIU_PATH says' {
        $said = (Invoke-ChildPwsh $try @{ CRAC_CRIU_PATH = '/nowhere/criu' }).Output.Split("`n")
        $said[0] | Should -Be 'CriuNotFound'
        $said[1] | Should -Match 'CRAC_CRIU_PATH names /nowhere/criu'
        $said[2] | Should -Match 'CRAC_CRIU_PATH'
    }

    It 'has no libcriu where CRAC_LIBCRIU_PATH says' {
        $said = (Invoke-ChildPwsh $try @{ CRAC_LIBCRIU_PATH = '/nowhere/libcriu.so.2' }).Output.Split("`n")
        $said[0] | Should -Be 'LibCriuNotFound'
        $said[1] | Should -Match '/nowhere/libcriu.so.2'
        $said[2] | Should -Match "package 'libcriu2'"
    }

    It 'has no criu at all' {
        # Away from the source checkout, with an empty PATH; the folders of the system may have one all the same.
        Copy-Item -Recurse (Split-Path (Get-Module PSCrac).Path) "$folder/module"
        $said = (Invoke-ChildPwsh $try @{ CRAC_CRIU_PATH = ''; CRAC_LIBCRIU_PATH = ''; PATH = $folder } -Module "$folder/module/PSCrac.psd1").Output.Split("`n")
        $system = '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin' | Where-Object { Test-Path "$_/criu" }
        if ($system) {
            $said[0] | Should -Not -Be 'CriuNotFound'
        }
        else {
            $said[0] | Should -Be 'CriuNotFound'
            $said[1] | Should -Match 'Searched: CRAC_CRIU_PATH .*PATH, /usr/local/sbin'
            $said[2] | Should -Match "package 'criu'"
        }
    }

    It 'has a criu that is too old for its kernel' {
        Set-Content "$folder/old-criu" "#!/bin/sh`necho 'Version: 1.0'"
        bash -c "chmod +x $folder/old-criu"
        $said = (Invoke-ChildPwsh $try @{ CRAC_CRIU_PATH = "$folder/old-criu" }).Output.Split("`n")
        $said[0] | Should -Be 'CriuTooOld'
        $said[1] | Should -Match 'criu 1\.0 .*Linux \d+\.\d+.* or later is needed'
    }
}

Describe "without privileges$(Get-SkipNote $noSetpriv)" -Skip:([bool] $noSetpriv) {
    BeforeAll {
        # Where nobody can read and write them: the checkout may be closed to others.
        $open = "$folder/open"
        $null = New-Item -ItemType Directory $open, "$open/home"
        Copy-Item -Recurse (Split-Path (Get-Module PSCrac).Path) "$open/module"
        bash -c "chmod 755 '$folder' && chmod -R a+rX '$open' && chmod 777 '$open/home'"
        $nobody = @{
            Prefix      = 'setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all'
            Module      = "$open/module/PSCrac.psd1"
            Environment = @{
                HOME = "$open/home"; XDG_STATE_HOME = "$open/home"; PSCRAC_LOG_ROOT = "$open/home/logs"; PSCRAC_IMAGE_ROOT = "$open/home/images"
                CRAC_CRIU_PATH = Find-CriuPath; CRAC_LIBCRIU_PATH = (Test-CracEnvironment | Where-Object Name -EQ libcriu).Detail -replace ' \(from .*'
            }
        }
        $canRead = [bool] ((Invoke-ChildPwsh "Test-Path -LiteralPath '$(Find-CriuPath)'" @nobody).Output -eq 'True')
    }

    It 'says what is missing and that the session is to run as root' {
        $said = (Invoke-ChildPwsh "Test-CracEnvironment -Quiet; (Test-CracEnvironment | Where-Object Name -EQ CAP_SYS_ADMIN).RecommendedAction" @nobody).Output.Split("`n")
        $said[0] | Should -Be 'False'
        $said[1] | Should -Match 'root|sudo'
    }

    It 'refuses the checkpoint of another user''s process, and leaves it alone' {
        if (-not $canRead) {
            Set-ItResult -Skipped -Because 'the criu in use is closed to other users'
            return
        }
        $id = Start-TestProgram 'sleep 1000'
        $said = (Invoke-ChildPwsh "try { Invoke-CracCheckpoint $id '$open/home/x' -LeaveRunning -ErrorAction Stop } catch [PSCrac.CracException] { `$_.Exception.Reason; `$_.Exception.Message; `$_.Exception.RecommendedAction }" @nobody).Output.Split("`n")
        $said[0] | Should -Be 'PermissionDenied'
        $said[2] | Should -Match 'root|CAP_|sudo'
        Test-Running $id | Should -BeTrue
        Test-Path "$open/home/x" | Should -BeFalse
    }

    It 'reads no image of another user, and says so' {
        $id = Start-TestProgram 'sleep 1000'
        $null = Invoke-CracCheckpoint $id "$open/home/private" -LeaveRunning
        $said = Invoke-ChildPwsh "try { (Get-CracImage '$open/home/private' -ErrorAction Stop).RootProcessId } catch [PSCrac.CracException] { `$_.Exception.Reason }" @nobody
        $said.Output | Should -Be 'PermissionDenied'
    }
}

Describe "a process with <What>$(Get-SkipNote $noPython)" -Skip:([bool] $noPython) -ForEach @(
    @{
        What = 'a connection to another process'; Reason = 'TcpConnectionOpen'; RecommendedAction = '-TcpEstablished.*-TcpClose'
        Program = 'import socket, time, os; s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname()); a = s.accept()[0]; p = os.fork(); s.close(); (a if p else c).close(); p or os.setsid(); p or open("{0}", "w").write("ready\n"); time.sleep(1000)'
    }
) {
    It 'is refused with what to do, and goes on' {
        $program = $Program.Replace('{0}', "$folder/ready")
        $id = Start-TestProgram "$(Find-Program python3) -c '$program'"
        Wait-Until { Test-Path "$folder/ready" } 'the program is connected'
        $child = Get-ChildId $id
        Add-TestProgram $child
        # The child alone: the other end of its connection is outside.
        $failure = { Invoke-CracCheckpoint $child "$folder/x" -ErrorAction Stop } | Should -Throw -ErrorId "$Reason,*" -PassThru
        $failure.ErrorDetails.RecommendedAction | Should -Match $RecommendedAction
        Test-Running $child | Should -BeTrue
        Test-Path "$folder/x" | Should -BeFalse
    }
}
