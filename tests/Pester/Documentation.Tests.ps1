# Every code block of README.md and of the pages under docs: it runs as it stands, or is a transcript of what ran. The
# blocks of a section run in one session, in turn. In a page
#   ```powershell, ```sh   runs as it stands, without an error
#   ```Output              is what the block before it prints, numbers apart
#   ```text                is a transcript: what is typed after 'PS> ', and what is printed then

param(
    # Which sections are run, by 'page: heading'.
    [string] $Section = '*'
)

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1", "$PSScriptRoot/Documentation.psm1"
    $obstacle = Get-CriuObstacle age, bash, gdb, ip, unshare, perl, ssh-keygen, tar
    $root = [IO.Path]::GetFullPath("$PSScriptRoot/../..")

    # What PlatyPS has in each page of a cmdlet is made from the cmdlet.
    $blocks = @(
        Get-ChildItem -Path "$root/README.md", "$root/bench/README.md", "$root/docs/*.md", "$root/docs/help/*.md" -ErrorAction Ignore |
            ForEach-Object { Get-CodeBlock $_.FullName } |
            Where-Object { $_.Part -ne 'SYNTAX' -and $_.Language -ne 'yaml' }
    )

    # What is not run, and why: commands and parameters are looked at all the same.
    $notRun = @{
        'README.md: Two commands'                                  = 'these are the commands that run this test'
        'README.md: Install'                                       = 'asks the PowerShell Gallery'
        'docs/help/about_PSCrac_Services.md: Containers'           = 'builds on an image of podman''s'
        'docs/help/about_PSCrac_Stores.md: Registries'             = 'there is no such registry'
        'docs/help/Export-CracImage.md: Example 6: from a store to a registry' = 'there is no such registry'
        'docs/help/Import-CracImage.md: Example 7: from a registry, if an allowed signer has signed it' = 'there is no such registry'
        'docs/help/about_PSCrac_Debugging.md: gdb'                 = 'is about a program in C that is compiled first; DebuggerTests asks gdb'
        'docs/help/about_PSCrac_Debugging.md: lldb'                = 'wants lldb'
        'docs/help/about_PSCrac_Debugging.md: .NET: dotnet-dump'   = 'is about any .NET program; DebuggerTests asks dotnet-dump'
        'docs/help/about_PSCrac_Debugging.md: Java: jhsdb'         = 'is about any Java program; DebuggerTests asks jhsdb'
        'docs/help/about_PSCrac_Debugging.md: On another machine'  = 'is about a program in C that is compiled first'
        'docs/without-root.md: A criu that carries its capability' = 'changes the criu of the machine'
    }

    # What the blocks of a section take for granted: programs that run, and images. The words are those of
    # Documentation.Session.ps1; the current folder is empty but for links to the programs.
    $worlds = @{
        'about_PSCrac_Debugging.md: Long*'                                                     = 'Start-StandIn counter -Id 4711'
        'about_PSCrac_Errors.md: *'                                                            = 'New-StandInImage ./cr -LeaveRunning'
        'about_PSCrac_Images.md: Containers*'                                                  = 'New-StandInImage ./cr db; New-PodmanStandIn'
        'about_PSCrac_Images.md: Images of plain criu'                                         = 'Start-StandIn shop -Id 4711'
        'about_PSCrac_Images.md: Taking*'                                                      = 'New-StandInImage ./cr db; New-StandInImage before -LeaveRunning; New-StandInImage after'
        'about_PSCrac_Services.md: With systemd'                                               = '$null = mkdir -p /var/lib/pscrac/images/web; New-StandInImage /var/lib/pscrac/images/web/20261120-060000'
        'about_PSCrac_Services.md: Updating*'                                                  = '$null = mkdir -p /var/lib/pscrac/images/web; New-StandInImage /var/lib/pscrac/images/web/20261120-060000'
        'about_PSCrac_Stores.md: Long description'                                             = 'New-StandInImage app; New-StandInImage app2'
        'about_PSCrac_Stores.md: Care of a store'                                              = 'New-StandInImage app; $null = Export-CracImage app -DestinationPath oci:./store:v1'
        'about_PSCrac_Images.md: The image root'                                               = 'Start-StandIn java'
        'Compare-CracImage.md: *a deployment check: did the program come up the same'          = 'New-StandInImage golden; Restore-CracProcess golden | Invoke-CracCheckpoint -ImageName today'
        'Compare-CracImage.md: *what an hour of work did to a service'                         = 'Start-StandIn shop -Id 6040; function Start-Sleep { "" > rush; while (Test-Path rush) { [Threading.Thread]::Sleep(20) } }'
        'Compare-CracImage.md: *which descriptors leak'                                        = 'New-StandInImage before -LeaveRunning; New-StandInImage after'
        'Get-CracProcess.md: *all of them'                                                     = 'New-StandInImage nightly ./counter (''--output'', ''numbers'') -Id 4711; $null = Restore-CracProcess nightly'
        'Get-CracProcess.md: *checkpoint a service again*'                                     = 'New-SystemctlStandIn; $null = Register-CracService web counter --output, numbers; systemctl start web'
        'Get-CracProcess.md: *end what was restored'                                           = 'New-StandInImage nightly; $null = Restore-CracProcess nightly'
        'Get-CracService.md: *'                                                                = '$null = mkdir -p /opt/bin; ln -s $standIn /opt/bin/server; $null = Register-CracService web /opt/bin/server 8080'
        'Export-CracCoreDump.md: *'                                                            = 'New-StandInImage app; Start-StandIn counter -Id 4711'
        'Export-CracCoreDump.md: *one process of a tree, compressed'                           = 'New-StandInImage app counter -Id 4711'
        'Export-CracImage.md: *'                                                               = 'New-StandInImage app'
        'Export-CracImage.md: *an image in a store*'                                           = 'New-StandInImage app; New-StandInImage app2'
        'Import-CracImage.md: *'                                                               = '"" > worker.conf; New-StandInImage one worker; Export-CracImage one ./app.tar.zst'
        'Import-CracImage.md: *an image in a folder of someone else''s'                         = '$null = mkdir /srv/images; New-StandInImage /srv/images/app; ssh-keygen -q -t ed25519 -N "" -f key; $null = Protect-CracImage /srv/images/app -SigningKey ./key; "me $(Get-Content key.pub)" > allowed; $env:PSCRAC_ALLOWED_SIGNERS = "$PWD/allowed"; chown -R 4321 /srv/images/app'
        'Import-CracImage.md: *from a store'                                                   = 'New-StandInImage one; $null = Export-CracImage one -DestinationPath oci:./store:v1'
        'Import-CracImage.md: *an encrypted one'                                               = 'New-StandInImage one; age-keygen -o key.txt 2>/dev/null; Export-CracImage one ./app.tar.zst.age -Recipient (age-keygen -y key.txt)'
        'README.md: Carry*'                                                                    = '"" > worker.conf; New-StandInImage app worker'
        'Get-CracImage.md: *all that is known about one image'                                 = 'New-StandInImage web java (''-jar'', ''shop.jar'') -Id 812 -LeaveRunning'
        'Get-CracImage.md: *an image in a folder with brackets in its name'                    = '$null = mkdir runs; New-StandInImage ''./runs/build[1]'''
        'Get-CracImage.md: *find old images'                                                   = '$null = mkdir /srv/images; New-StandInImage /srv/images/one; New-StandInImage /srv/images/two'
        'Get-CracImage.md: *list the images under the image root'                              = 'New-StandInImage nightly ./counter (''--output'', ''numbers'') -Id 4711; New-StandInImage web java (''-jar'', ''shop.jar'') -Id 812'
        'Get-CracImage.md: *what is in a store'                                                = 'New-StandInImage one; $null = Export-CracImage one -DestinationPath oci:./store:v1'
        'Get-CracImage.md: *the processes in an image'                                         = 'New-StandInImage web sh (''-c'', ''java -jar shop.jar; true'') -Id 812'
        'Get-CracImageContent.md: *'                                                           = 'New-StandInImage ./cr -Id 6040'
        'Get-CracImageMemory.md: *'                                                            = 'New-StandInImage ./cr db'
        'Initialize-CracEnvironment.md: *in the entry point of a container'                    = 'Stop-Later server /var/lib/pscrac/images/server/pscrac.json'
        'Invoke-CracCheckpoint.md: *by name'                                                   = 'ln -s $standIn $bin/web-1; ln -s $standIn $bin/web-2; Start-StandIn web-1; Start-StandIn web-2; Start-StandIn ./counter'
        'Invoke-CracCheckpoint.md: *checkpoint a process and restore it'                       = 'Start-StandIn ./counter (''--output'', ''numbers'') -Id 4711'
        'Invoke-CracCheckpoint.md: *handle errors in a script'                                 = 'Start-StandIn postgres; Start-StandIn client -Id 4711'
        'Invoke-CracCheckpoint.md: *keep the process running'                                  = 'New-StandInImage nightly counter; Start-StandIn counter -Id 4711'
        'Invoke-CracCheckpoint.md: *say what to do with an open connection'                    = 'Start-StandIn postgres; Start-StandIn client -Id 4711'
        'Invoke-CracCheckpoint.md: *several processes, each to its own image'                  = '"" > worker.conf; Start-StandIn worker; Start-StandIn worker'
        'Measure-CracStartup.md: *all samples'                                                 = 'New-StandInImage server ./server'
        'Move-CracProcess.md: *move a process'                                                 = 'Start-StandIn counter -Id 4711; New-FarStandIn'
        'Move-CracProcess.md: *a process with much memory'                                     = 'Start-StandIn bash (''-c'', ''while :; do sleep 1; done'') -Id 4711; New-FarStandIn'
        'Move-CracProcess.md: *'                                                               = '"" > worker.conf; Start-StandIn worker; Start-StandIn worker; New-FarStandIn'
        'Move-CracProcess.md: *connections move along*'                                        = 'ip link add eth0 type veth peer name eth1; ip addr add 10.0.0.7/24 dev eth0; "" > worker.conf; Start-StandIn worker; New-FarStandIn'
        'Protect-CracImage.md: *'                                                              = 'ssh-keygen -q -t ed25519 -N "" -f release; New-StandInImage app'
        'Protect-CracImage.md: *sign what was just made'                                       = 'ssh-keygen -q -t ed25519 -N "" -f release; Start-StandIn counter -Id 4711'
        'Protect-CracImage.md: *allow a signer*'                                               = 'ssh-keygen -q -t ed25519 -N "" -f release; New-StandInImage app'
        'Protect-CracImage.md: *verify without PSCrac'                                         = 'ssh-keygen -q -t ed25519 -N "" -f release; New-StandInImage ./app; $null = Protect-CracImage ./app -SigningKey ./release; "release@example.com $(Get-Content release.pub)" > allowed_signers'
        'README.md: A service*'                                                                = 'New-SystemctlStandIn'
        'README.md: Freeze*'                                                                   = 'Start-StandIn java'
        'README.md: Keep*'                                                                     = 'Start-StandIn node'
        'README.md: Keep images*'                                                              = 'New-StandInImage app'
        'README.md: Move*'                                                                     = 'Start-StandIn counter -Id 4711; Start-StandIn bash (''-c'', ''while :; do sleep 1; done'') -Id 6040; New-FarStandIn'
        'README.md: Restore beside*'                                                           = '"" > worker.conf; New-StandInImage ./cr -LeaveRunning'
        'README.md: Run before*'                                                               = 'New-StandInImage ./db bash (''-c'', ''while :; do sleep 1; done'')'
        'README.md: Run it*'                                                                   = 'New-StandInImage build-agent batch; "" > done'
        'README.md: See*'                                                                      = 'Remove-Item ./counter; New-StandInImage counter'
        'README.md: What it looks like'                                                        = 'Remove-Item counter; $null = mkdir samples; ln -s $checkout/out out; ln -s $checkout/samples/Counter samples/Counter'
        'README.md: When it fails'                                                             = '"" > worker.conf; New-StandInImage ./cr worker -Id 4711 -LeaveRunning'
        'README.md: Take it apart*'                                                            = 'Start-StandIn counter -Id 4711'
        'README.md: Will it work*'                                                             = 'Start-StandIn java'
        'Remove-CracImage.md: *keep the newest three*'                                         = '1..4 | ForEach-Object { New-StandInImage "of$_" }'
        'Remove-CracImage.md: *no more than 2 GiB*'                                            = '1..2 | ForEach-Object { New-StandInImage "of$_" }'
        'Remove-CracImage.md: *remove an image by name'                                        = 'New-StandInImage nightly'
        'Remove-CracImage.md: *tags of a store'                                                = 'New-StandInImage one; $null = Export-CracImage one -DestinationPath oci:./store:v1; $null = Export-CracImage one -DestinationPath oci:./store:v2'
        'Optimize-CracImageStore.md: *'                                                        = 'New-StandInImage one; $null = Export-CracImage one -DestinationPath oci:./store:v1; $null = Export-CracImage one -DestinationPath oci:v1'
        'Remove-CracImage.md: *what is old of a service*'                                      = '1..4 | ForEach-Object { $null = mkdir -p /var/lib/pscrac/images/web; New-StandInImage "/var/lib/pscrac/images/web/2026112${_}-060000" }'
        'Remove-CracImage.md: *see first what would go'                                        = '$null = mkdir /srv/images; New-StandInImage /srv/images/test-1; New-StandInImage /srv/images/test-2'
        'Restore-CracProcess.md: *a second copy beside the first'                              = 'New-StandInImage ./cr -Id 4711'
        'Restore-CracProcess.md: *all images of a folder'                                      = '$null = mkdir cr; New-StandInImage ./cr/one; New-StandInImage ./cr/two'
        'Restore-CracProcess.md: *checkpoint and restore in one line'                          = 'Start-StandIn batch; Complete-Later batch ./cr/pscrac.json'
        'Restore-CracProcess.md: *how long until it answers'                                   = 'New-StandInImage app java (''-jar'', ''app.jar'')'
        'Restore-CracProcess.md: *restore by path or by name'                                  = 'New-StandInImage ./cr ./counter (''--output'', ''numbers'') -Id 4711; New-StandInImage nightly'
        'Restore-CracProcess.md: *run before the memory is there'                              = 'New-StandInImage ./cr bash (''-c'', ''while :; do sleep 1; done'')'
        'Restore-CracProcess.md: *the process is still there'                                  = 'New-StandInImage ./cr counter -Id 4711 -LeaveRunning'
        'Restore-CracProcess.md: *wait for the exit code'                                      = 'New-StandInImage ./cr batch; "" > done'
        'Search-CracImage.md: *'                                                               = 'New-StandInImage ./cr db -Id 6040'
        'Search-CracImage.md: *all that looks like a token of a certain kind, from all images' = 'New-StandInImage one db; New-StandInImage two db'
        'Start-CracProcess.md: *'                                                              = '"" > worker.conf'
        'Start-CracProcess.md: *a program that does not start'                                 = ''
        'Start-CracProcess.md: *the start command of a service'                                = 'Stop-Later server /var/lib/server/image/pscrac.json'
        'Unregister-CracService.md: *'                                                         = '$null = Register-CracService web counter; $null = Register-CracService shop counter; $null = mkdir -p /var/lib/pscrac/images/web; 1..2 | ForEach-Object { New-StandInImage "/var/lib/pscrac/images/web/2026112${_}-060000" }'
        'Test-CracEnvironment.md: *try another criu'                                           = '$null = mkdir -p /opt/criu/sbin; ln -s $env:CRAC_CRIU_PATH /opt/criu/sbin/criu'
        'Test-CracImage.md: *'                                                                 = 'New-StandInImage ./cr; New-StandInImage web java; New-StandInImage nightly counter -LeaveRunning'
        'Test-CracImage.md: *read the whole image after copying it'                            = '$null = mkdir /srv/images; New-StandInImage /srv/images/one'
        'Test-CracProcess.md: *'                                                               = 'Start-StandIn shop -Id 6040'
    }

    $pages = @($blocks | Group-Object Page | ForEach-Object { @{ Name = $_.Name; Blocks = $_.Group } })
    $named = $blocks | Group-Object { "$($_.Page): $($_.Section)" }
    $sections = @(
        foreach ($group in $named | Where-Object { $_.Name -like $Section -and -not $notRun.Contains($_.Name) }) {
            $world = $worlds.Keys.Where({ $group.Name -like "*$_" }) | Sort-Object Length -Descending | Select-Object -First 1
            @{
                Name   = $group.Name
                World  = $world ? $worlds[$world] : ''
                Blocks = @(
                    foreach ($block in $group.Group) {
                        if ($block.Text.StartsWith('PS> ')) { Split-Transcript $block.Text } else { $block }
                    }
                )
            }
        }
    )
    $unused = @($notRun.Keys.Where({ $_ -notin $named.Name })) + @($worlds.Keys.Where({ -not ($named.Name -like "*$_") }))
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1", "$PSScriptRoot/Documentation.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe 'code blocks of the pages' {
    It 'are all known: no section is spoken of here that is not there' -ForEach @{ Unused = $unused } {
        $Unused | Should -BeNullOrEmpty
    }

    It 'are of a kind that is tested, and name commands and parameters that there are: <Name>' -ForEach $pages {
        foreach ($block in $Blocks) {
            $where = "the block is at $Name`:$($block.Line)"
            $block.Language | Should -BeIn 'powershell', 'sh', 'Output', 'text' -Because $where
            if ($block.Language -in 'Output', 'text') {
                # What a terminal shows.
                $block.Text.Split("`n").Where({ $_.Length -gt 80 }) | Should -BeNullOrEmpty -Because $where
            }
            if ($block.Language -eq 'text') {
                $block.Text | Should -Match '\APS> ' -Because "a transcript begins with what is typed, and $where"
            }
            if ($block.Language -ne 'powershell') { continue }
            $problems = $null
            $tree = [Management.Automation.Language.Parser]::ParseInput($block.Text, [ref] $null, [ref] $problems)
            $problems | Should -BeNullOrEmpty -Because $where
            $block.Text | Should -Not -Match '…' -Because "what a reader has to fill in does not run, and $where"
            foreach ($call in $tree.FindAll({ $args[0] -is [Management.Automation.Language.CommandAst] }, $true)) {
                # Not programs, such as age-keygen.
                if ("$($call.GetCommandName())" -cnotmatch '^[A-Z]\w*-\w+$') { continue }
                $command = Get-Command -Name $call.GetCommandName()
                foreach ($parameter in $call.CommandElements.Where({ $_ -is [Management.Automation.Language.CommandParameterAst] })) {
                    { $command.ResolveParameter($parameter.ParameterName) } | Should -Not -Throw -Because $where
                }
            }
        }
    }

    It "run as they stand: <Name>$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) -ForEach $sections {
        $commands = @($Blocks.Where({ $_.Language -ne 'Output' }))
        $ran = Invoke-CodeBlock -Block $commands -World $World -Folder $folder

        $ran.ExitCode | Should -Be 0 -Because $ran.Preface
        $ran.Printed.Count | Should -Be $commands.Count -Because 'each has its turn'
        $at = -1
        for ($i = 0; $i -lt $Blocks.Count; $i++) {
            if ($Blocks[$i].Language -eq 'Output') {
                Test-Shown $ran.Printed[$at] $Blocks[$i].Text | Should -BeTrue -Because "this is printed:`n$($ran.Printed[$at])`nand this shown:`n$($Blocks[$i].Text)`n"
                continue
            }
            $at++
            $shown = $i + 1 -lt $Blocks.Count -and $Blocks[$i + 1].Language -eq 'Output' -and $Blocks[$i + 1].Text
            if (-not $shown) { $ran.Error[$at] | Should -BeNullOrEmpty -Because "$($Blocks[$i].Text) shows no error" }
        }
    }
}
